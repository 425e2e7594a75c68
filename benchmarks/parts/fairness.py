"""Part 7, fairness: the promises of ``docs/scheduling.md`` on a running system, through HTTP.

The model is of known cost, so that little of this depends on the machine; what does, is a ratio of sides that take
turns.
"""

from __future__ import annotations

from benchmarks.fairness.ledger import Ledger
from benchmarks.fairness.scale import Scale
from benchmarks.fairness.scenes import SCENES, Scene
from benchmarks.fairness.stage import MODEL
from benchmarks.parts.queueing import small_picture
from benchmarks.plan import Plan
from benchmarks.report import Section


def run(plan: Plan) -> Section:
    """Scene after scene. What is finished lies in ``fairness.json`` and ``fairness.md`` at once.

    A scene that breaks is told in the section, and the others go on.
    """
    section = Section(
        "Fairness",
        f"`{MODEL}`, pictures of 64 × 48 pixels, real processes, every client with a key of its own. Who was served "
        "when is read from the results' own records.",
    )
    ledger = Ledger.opened(plan.out / "fairness.json", resume=plan.resume)
    scene = Scene(Scale.of(plan.singles, quick=plan.quick), ledger, small_picture(), plan.tell)
    for name in plan.scenes or SCENES:
        try:
            SCENES[name](scene, section)
        except Exception as error:  # noqa: BLE001 - the other scenes are worth having
            plan.tell(f"scene {name} broke: {type(error).__name__}: {error}")
            section.broke.append(f"{name}: {type(error).__name__}: {error}")
        plan.out.mkdir(parents=True, exist_ok=True)
        (plan.out / "fairness.md").write_text(section.markdown())
    if ledger.reused:
        section.about += (
            f" {ledger.reused} measurements are of an earlier, interrupted run; `fairness.json` has their times."
        )
    return section
