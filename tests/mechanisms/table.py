"""Each promise, the mechanism that keeps it, and the test that must notice when that mechanism is gone.

A mechanism is taken out by replacing one exact piece of text, which must stand in its file once. Where the code has
moved on, change the text here too: what is asked is that the test fails without the mechanism, and not how it is built.
"""

from __future__ import annotations

from dataclasses import dataclass

VERBS = "tests/integration/store/test_verbs.py"
REAPER = "tests/integration/store/test_reaper.py"
CARETAKER = "tests/integration/store/test_caretaker.py"
OPEN_JOBS = "tests/integration/store/test_open_jobs.py"
VALUES = "tests/integration/store/test_values.py"
BATCHES = "tests/integration/inference_worker/test_batches.py"
IN_HAND = "tests/integration/inference_worker/test_in_hand.py"
BEAT = "tests/unit/inference_worker/test_beat.py"
KEYS = "tests/integration/gateway/test_keys.py"
LIMITS = "tests/integration/gateway/test_limits.py"
IDEMPOTENCY = "tests/integration/gateway/test_idempotency.py"
DETECT = "tests/integration/gateway/test_detect.py"
PACKED = "tests/unit/gateway/test_archives.py"
LUA = "tenfold/store/lua/"


@dataclass(frozen=True, slots=True)
class Mechanism:
    """What keeps a promise.

    Attributes:
        promise: what is promised, in few words.
        name: the mechanism.
        file: where it is.
        old: the text that is it.
        new: what the file says without it.
        test: who must notice, as pytest names it.
    """

    promise: str
    name: str
    file: str
    old: str
    new: str
    test: str


ONCE = "a result is committed once"
NOTHING_LOST = "an accepted image is never lost"
ONE_SCHEDULER = "one scheduler decides"
POISON = "only images at fault fail"
ENDS = "a hung batch ends"
FINAL = "what is over never runs"
ONE_JOB = "a request sent again makes one job"
NOTHING_LEFT = "what was not accepted leaves nothing"
BOUNDED = "everything is bounded"
HOSTILE = "hostile input costs its sender only"
LET_IN = "nobody is let in"
VALUES_ONCE = "a value is stored once"
SAFE_REDIS = "a Redis that could drop work is refused"

_LED = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\n"

TABLE: tuple[Mechanism, ...] = (
    Mechanism(
        ONCE,
        "lease check of commit",
        LUA + "commit.lua",
        "if is_over then return -1 end",
        "",
        f"{VERBS}::test_a_lost_lease_gives_the_images_back_and_a_late_answer_changes_nothing",
    ),
    Mechanism(
        ONCE,
        "first result counts",
        LUA + "_job.lua",
        "if redis.call('HSETNX', key .. ':results', index, result) == 1 then",
        "redis.call('HSET', key .. ':results', index, result)\n    if true then",
        f"{VERBS}::test_a_result_is_committed_once",
    ),
    Mechanism(
        ONCE,
        "lease check between pieces",
        LUA + "advance.lua",
        "if not redis.call('ZSCORE', KEYS[1], ARGV[1]) or redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then "
        "return 'lost' end",
        "",
        f"{BATCHES}::test_lost_lease_ends_the_batch_early",
    ),
    Mechanism(
        ONCE,
        "the same submission is one job",
        LUA + "submit.lua",
        "if redis.call('EXISTS', KEYS[1]) == 1 then return {'exists'} end",
        "",
        f"{VERBS}::test_the_same_submission_twice_is_one_job",
    ),
    Mechanism(
        ONCE,
        "only what is still queued is claimed",
        LUA + "claim.lua",
        "if redis.call('HGET', KEYS[7] .. id, 'status') ~= 'queued' then return nil end",
        "",
        f"{VERBS}::test_only_what_rq_holds_as_queued_is_claimed",
    ),
    Mechanism(
        NOTHING_LOST,
        "reaping of leases that ran out",
        "scheduler/reaper.py",
        "for batch_id in self.store.reap(token):",
        "for batch_id in ():",
        f"{REAPER}::test_a_dead_workers_batch_waits_again",
    ),
    Mechanism(
        NOTHING_LOST,
        "putting back what fell out of RQ's list",
        "scheduler/reaper.py",
        "        self._put_back(token)\n",
        "",
        f"{REAPER}::test_a_batch_that_a_stranger_popped_is_put_back",
    ),
    Mechanism(
        NOTHING_LOST,
        "beats keep the lease",
        LUA + "beat.lua",
        "redis.call('ZADD', KEYS[2], 'XX', int(now + tonumber(ARGV[3])), ARGV[i])",
        "",
        f"{VERBS}::test_a_beat_keeps_the_lease",
    ),
    Mechanism(
        NOTHING_LOST,
        "handing back when told to stop",
        "inference_worker/runner.py",
        "            if self._stopping():\n                reason = EndReason.STOPPED\n                break\n",
        "",
        f"{BATCHES}::test_told_to_stop",
    ),
    Mechanism(
        NOTHING_LOST,
        "a commit on its way that gets no answer is sent again",
        "inference_worker/turns.py",
        "committed = before is not None and self._commit(before)",
        "committed = False",
        f"{IN_HAND}::test_a_redis_that_refuses_for_a_while_gets_the_commit_afterwards",
    ),
    Mechanism(
        NOTHING_LOST,
        "scripts are sent again where Redis forgot them",
        "tenfold/store/flight.py",
        "self._with_its_source(verb) if isinstance(answer, NoScriptError) else answer",
        "answer",
        f"{BATCHES}::test_redis_forgot_the_scripts",
    ),
    Mechanism(
        NOTHING_LOST,
        "strict durability waits for the disk",
        "tenfold/store/gateway_store.py",
        'pipe.execute_command("WAITAOF", 1, 0, self.fsync_within_ms)',
        'pipe.execute_command("ECHO", "1")',
        f"{VERBS}::test_a_strict_submission_waits_for_the_disk",
    ),
    Mechanism(
        NOTHING_LOST,
        "an accepted job waits until Redis has written it",
        "gateway/crud/jobs.py",
        "        await until_written(self.store.client)\n",
        "",
        "tests/integration/gateway/test_redis_crash.py::test_a_job_that_is_not_waited_for_outlives_a_crash",
    ),
    Mechanism(
        NOTHING_LOST,
        "an accepted run of values waits until Redis has written it",
        "gateway/crud/values.py",
        "        await until_written(self.store.client)\n",
        "",
        "tests/integration/gateway/test_redis_crash.py::test_an_accepted_run_of_values_outlives_a_crash",
    ),
    Mechanism(
        ONE_SCHEDULER,
        "token of dispatch",
        LUA + "dispatch.lua",
        _LED,
        "",
        f"{VERBS}::test_an_old_leader_can_change_nothing",
    ),
    Mechanism(
        ONE_SCHEDULER,
        "token of promote",
        LUA + "promote.lua",
        _LED,
        "",
        f"{VERBS}::test_an_old_leader_can_change_nothing",
    ),
    Mechanism(
        ONE_SCHEDULER,
        "token of requeue",
        LUA + "requeue.lua",
        _LED,
        "",
        f"{VERBS}::test_an_old_leader_puts_nothing_back",
    ),
    Mechanism(
        ONE_SCHEDULER,
        "token of reap",
        LUA + "reap.lua",
        "if redis.call('GET', KEYS[1]) ~= ARGV[2] then return redis.error_reply('LEADERSHIP lost') end",
        "",
        f"{VERBS}::test_an_old_leader_can_change_nothing",
    ),
    Mechanism(
        ONE_SCHEDULER,
        "token of expire",
        LUA + "end_job.lua",
        "if ARGV[5] ~= '' and redis.call('GET', KEYS[8]) ~= ARGV[5] then "
        "return redis.error_reply('LEADERSHIP lost') end",
        "",
        f"{VERBS}::test_an_old_leader_can_change_nothing",
    ),
    Mechanism(
        ONE_SCHEDULER,
        "leadership is held by one",
        LUA + "lead.lua",
        "if held or ARGV[2] == '0' then return false end",
        "",
        f"{VERBS}::test_leadership_is_held_by_one",
    ),
    Mechanism(
        ONE_SCHEDULER,
        "tokens only grow",
        LUA + "lead.lua",
        "redis.call('INCR', KEYS[2])",
        "7",
        f"{VERBS}::test_leadership_is_held_by_one",
    ),
    Mechanism(
        ONE_SCHEDULER,
        "only what waits is promoted",
        LUA + "promote.lua",
        "if redis.call('LREM', KEYS[2], 1, ARGV[2]) == 0 then return 0 end",
        "redis.call('LREM', KEYS[2], 1, ARGV[2])",
        f"{VERBS}::test_promotion_moves_a_waiting_batch_once",
    ),
    Mechanism(
        POISON,
        "halving of a batch that fails",
        "inference_worker/detecting.py",
        "        if len(images) == 1:\n            return [Found(None, _failure(error))]\n",
        "        return [Found(None, _failure(error))] * len(images)\n",
        f"{BATCHES}::test_poison",
    ),
    Mechanism(
        POISON,
        "a loss counts for images that computed",
        LUA + "reap.lua",
        "if at >= from and at < to then",
        "if true then",
        f"{VERBS}::test_an_image_that_costs_three_workers_fails_with_the_reason",
    ),
    Mechanism(
        POISON,
        "the third loss is the last",
        LUA + "reap.lua",
        "if losses >= fatal then",
        "if false then",
        f"{VERBS}::test_an_image_that_costs_three_workers_fails_with_the_reason",
    ),
    Mechanism(
        POISON,
        "an image that cost two is named as a suspect",
        LUA + "reap.lua",
        "if losses == fatal - 1 then alone[#alone + 1] = at end",
        "",
        f"{VERBS}::test_an_image_that_costs_three_workers_fails_with_the_reason",
    ),
    Mechanism(
        POISON,
        "a suspect runs alone",
        "scheduler/core/batch_events.py",
        "            self._single_out(pool, batch, left.intersection(event.alone))\n"
        "            self._take_back(pool, batch, left.difference(event.alone), TraceKind.RETRIED",
        "            self._take_back(pool, batch, left, TraceKind.RETRIED",
        "tests/unit/scheduler/core/test_rules_9_to_13.py::test_rule_13_what_lost_two_workers_runs_alone",
    ),
    Mechanism(
        POISON,
        "no look ahead beside a marked image",
        "inference_worker/runner.py",
        "        if run.claim.marked:\n            return\n",
        "",
        f"{BATCHES}::test_no_look_ahead_beside_a_job_that_lost_a_worker",
    ),
    Mechanism(
        POISON,
        "a batch in hand does not count as computing",
        "tenfold/store/worker_store.py",
        "0 if in_hand else computing",
        "computing",
        f"{IN_HAND}::test_a_killed_worker_counts_only_against_what_it_computed",
    ),
    Mechanism(
        POISON,
        "a batch in hand counts as computing once it begins",
        "inference_worker/turns.py",
        "claim if claim.in_hand else None",
        "None",
        f"{IN_HAND}::test_a_killed_worker_counts_only_against_what_it_computed",
    ),
    Mechanism(
        POISON,
        "nothing in hand beside a marked image",
        "inference_worker/turns.py",
        " and not claim.marked",
        "",
        f"{IN_HAND}::test_where_it_would_do_harm_nothing_is_in_hand",
    ),
    Mechanism(
        ENDS,
        "batch timeout",
        "inference_worker/beat.py",
        "if self._held.computing_s() > self._limits.batch_timeout_s:",
        "if False:",
        f"{BEAT}::test_overdue",
    ),
    Mechanism(
        ENDS,
        "grace of a stop",
        "inference_worker/beat.py",
        "if self._stopping_s() > self._limits.grace_s:",
        "if False:",
        f"{BEAT}::test_overdue",
    ),
    Mechanism(
        FINAL,
        "the claim drops images whose deadline passed",
        LUA + "claim.lua",
        "if deadline and deadline ~= cjson.null and deadline <= now then gone[id] = true end",
        "",
        f"{VERBS}::test_a_claim_drops_what_was_canceled_or_expired",
    ),
    Mechanism(
        FINAL,
        "the claim drops images of ended jobs",
        LUA + "claim.lua",
        "if not state or FINAL[state] then gone[id] = true end",
        "",
        f"{VERBS}::test_a_claim_drops_what_was_canceled_or_expired",
    ),
    Mechanism(
        FINAL,
        "an ended job takes no result",
        LUA + "_job.lua",
        "if not f[1] or FINAL[f[1]] then return 0 end",
        "",
        f"{VERBS}::test_canceling_is_final_and_keeps_what_is_done",
    ),
    Mechanism(
        ONE_JOB,
        "reservation of the key",
        LUA + "reserve_key.lua",
        "if held[1] and (held[2] ~= '' or redis.call('ZSCORE', KEYS[2], held[1])) then "
        "return {'held', held[1], held[2]} end",
        "",
        f"{IDEMPOTENCY}::test_many_equal_requests_at_once_make_one_job",
    ),
    Mechanism(
        ONE_JOB,
        "a key stands for one request",
        "gateway/crud/idempotency.py",
        "if held.fingerprint != own:",
        "if False:",
        f"{IDEMPOTENCY}::test_a_key_stands_for_one_request",
    ),
    Mechanism(
        NOTHING_LEFT,
        "sweep of abandoned uploads",
        "scheduler/reaper.py",
        "        self.caretaker.abandon_uploads(now_ms)\n",
        "",
        f"{REAPER}::test_an_upload_that_fell_silent_is_swept",
    ),
    Mechanism(
        NOTHING_LEFT,
        "a swept upload takes nothing more",
        LUA + "write_upload.lua",
        "if ARGV[3] == '' and not redis.call('ZSCORE', KEYS[2], ARGV[1]) then return false end",
        "",
        f"{CARETAKER}::test_what_comes_after_the_sweep_is_not_stored",
    ),
    Mechanism(
        NOTHING_LEFT,
        "a swept upload is no job",
        LUA + "submit.lua",
        "if not comes_along and not redis.call('ZSCORE', KEYS[9], id) then return {'abandoned'} end",
        "",
        f"{VERBS}::test_a_swept_upload_cannot_be_submitted",
    ),
    Mechanism(
        NOTHING_LEFT,
        "images of canceled jobs are swept",
        "tenfold/store/caretaker.py",
        "self.client.unlink(*blobs[start : start + SLICE])",
        "pass",
        f"{CARETAKER}::test_a_canceled_jobs_images_are_swept_but_for_those_that_ran",
    ),
    Mechanism(
        BOUNDED,
        "a client's share of the queue",
        LUA + "_arrival.lua",
        "if q[3] + items > tonumber(max[3]) or q[4] + bytes > tonumber(max[4]) then "
        "return {'client_full', q[3], q[4]} end",
        "",
        f"{VERBS}::test_bounds_refuse_with_their_reason",
    ),
    Mechanism(
        BOUNDED,
        "everybody's bound of the queue",
        LUA + "_arrival.lua",
        "if q[1] + items > tonumber(max[1]) or q[2] + bytes > tonumber(max[2]) then return {'full', q[1], q[2]} end",
        "",
        f"{VERBS}::test_bounds_refuse_with_their_reason",
    ),
    Mechanism(
        BOUNDED,
        "images a minute",
        LUA + "take_quota.lua",
        "if short > 0 then return {0, math.max(0, most - used), tonumber(until_free(short))} end",
        "",
        f"{KEYS}::test_a_key_has_its_images_a_minute",
    ),
    Mechanism(
        BOUNDED,
        "bytes of a body",
        "gateway/crud/bodies.py",
        "            if seen > self.body_bytes_max:\n                raise self._body_too_large()\n",
        "",
        f"{LIMITS}::test_a_body_of_unknown_length_is_bounded_too",
    ),
    Mechanism(
        BOUNDED,
        "bytes of a file",
        "gateway/crud/uploads.py",
        "if image.size + len(data) > self.limits.file_bytes_max:",
        "if False:",
        f"{LIMITS}::test_files_bodies_and_jobs_are_bounded",
    ),
    Mechanism(
        BOUNDED,
        "images of a job",
        "gateway/crud/uploads.py",
        "if self.had + index >= self.limits.images_max:",
        "if False:",
        f"{LIMITS}::test_files_bodies_and_jobs_are_bounded",
    ),
    Mechanism(
        BOUNDED,
        "deadlines out of reach",
        "gateway/crud/intake.py",
        "            await self.check_deadline(job)\n",
        "",
        f"{LIMITS}::test_a_deadline_that_cannot_be_met_is_refused_at_once",
    ),
    Mechanism(
        BOUNDED,
        "bytes of kept images",
        "tenfold/store/caretaker.py",
        "        if over > 0:\n            for member in self.client.zrange(self.keys.kept",
        "        if False:\n            for member in self.client.zrange(self.keys.kept",
        f"{CARETAKER}::test_kept_images_go_oldest_first_beyond_the_bound",
    ),
    Mechanism(
        BOUNDED,
        "bytes of results",
        "tenfold/store/lua/drop_results.lua",
        "      redis.call('UNLINK', KEYS[4] .. job .. ':results')\n",
        "",
        f"{CARETAKER}::test_results_go_oldest_job_first_beyond_the_bound",
    ),
    Mechanism(
        BOUNDED,
        "bytes of results, behind jobs without any",
        "tenfold/store/lua/drop_results.lua",
        "redis.call('ZADD', KEYS[2], ended, job .. ' ' .. client .. ' 0')",
        "redis.call('ZADD', KEYS[1], ended, job .. ' ' .. client .. ' 0')",
        f"{CARETAKER}::test_jobs_without_results_do_not_shield_the_others",
    ),
    Mechanism(
        HOSTILE,
        "pixels, from the header",
        "gateway/crud/uploads.py",
        "        if too_many is not None:\n            self._reject(image, too_many)\n",
        "",
        f"{DETECT}::test_a_single_bad_image_is_a_problem",
    ),
    Mechanism(
        HOSTILE,
        "pixels, in the worker",
        "inference_worker/decoding.py",
        "if width * height > pixels_max:",
        "if False:",
        f"{BATCHES}::test_bad_images_fail_alone",
    ),
    Mechanism(
        HOSTILE,
        "names that lead out of an archive",
        "gateway/crud/archives.py",
        '        raise unsafe(f"the name {name[:100]!r} leads out of it")\n',
        "        pass\n",
        f"{PACKED}::test_names_that_lead_out_are_refused",
    ),
    Mechanism(
        HOSTILE,
        "links in a tar",
        "gateway/crud/tar_reading.py",
        "if header.type not in _FILES | {DIRTYPE}:",
        "if False:",
        f"{PACKED}::test_a_tar_with_a_link_or_a_device_is_refused",
    ),
    Mechanism(
        HOSTILE,
        "links in a zip",
        "gateway/crud/zip_reading.py",
        "if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:",
        "if False:",
        f"{PACKED}::test_a_zip_with_a_link_or_a_secret_or_a_strange_method_is_refused",
    ),
    Mechanism(
        HOSTILE,
        "the ratio of an archive",
        "gateway/crud/archives.py",
        "if self.inflated > FREE_BYTES and self.inflated > RATIO_MAX * self.packed:",
        "if False:",
        f"{PACKED}::test_what_inflates_too_much_is_refused_on_the_way",
    ),
    Mechanism(
        HOSTILE,
        "the sum of an archive",
        "gateway/crud/archives.py",
        "if self.inflated > self.bytes_max:",
        "if False:",
        f"{PACKED}::test_what_inflates_too_much_is_refused_on_the_way",
    ),
    Mechanism(
        HOSTILE,
        "archives within archives",
        "gateway/crud/archives.py",
        "if fresh and (kind_of(event) or event.startswith(_NESTED)):",
        "if False:",
        "tests/integration/gateway/test_archives.py::test_an_archive_that_is_refused_leaves_nothing",
    ),
    Mechanism(
        HOSTILE,
        "entries of an archive",
        "gateway/crud/archives.py",
        "if entries > self.entries_max:",
        "if False:",
        f"{PACKED}::test_too_many_entries_are_refused",
    ),
    Mechanism(
        HOSTILE,
        "no job is run by the name in its hash",
        "inference_worker/job.py",
        "        return self._refuse\n",
        "        return super().func  # type: ignore[no-any-return]\n",
        "tests/integration/inference_worker/test_rq_view.py::test_a_stock_worker_runs_nothing",
    ),
    Mechanism(
        LET_IN,
        "keys are compared",
        "gateway/crud/clients.py",
        " if hmac.compare_digest(key.digest, digest)]",
        "]",
        f"{KEYS}::test_a_key_that_is_not_known_is_refused",
    ),
    Mechanism(
        LET_IN,
        "a foreign job is a 404",
        "gateway/crud/clients.py",
        "        return self.sees_all or client_id == self.id\n",
        "        return True\n",
        f"{KEYS}::test_a_job_of_another_key_is_not_there",
    ),
    Mechanism(
        LET_IN,
        "admin for DELETE /v1/values",
        "gateway/endpoints/values.py",
        '    summary="Delete all values",\n    dependencies=[Depends(admin_of)],\n',
        '    summary="Delete all values",\n',
        f"{KEYS}::test_scopes_say_what_a_key_may_do",
    ),
    Mechanism(
        LET_IN,
        "priority=high is granted",
        "gateway/crud/intake.py",
        "if wishes.priority is Priority.HIGH and not client.high:",
        "if False:",
        f"{KEYS}::test_high_priority_needs_a_key_that_allows_it",
    ),
    Mechanism(
        LET_IN,
        "loopback alone without keys",
        "tenfold/settings.py",
        "if not (self.api_keys or self.open or _is_loopback(self.host)):",
        "if False:",
        "tests/integration/gateway/test_process.py::test_wrong_settings_stop_it_at_once",
    ),
    Mechanism(
        VALUES_ONCE,
        "an outcome sent again is known",
        LUA + "values_store.lua",
        "if kind == 'failed' or redis.call('EXISTS', KEYS[7] .. key) == 0 then",
        "do",
        f"{VALUES}::test_same_settling_twice_stores_once",
    ),
    Mechanism(
        VALUES_ONCE,
        "token of moving values",
        LUA + "values_move.lua",
        _LED,
        "",
        f"{VALUES}::test_stale_leaders_jobs_are_dropped",
    ),
    Mechanism(
        ONE_JOB,
        "a part sent again is known",
        LUA + "extend.lua",
        "if known then return {'ok', tonumber(known)} end",
        "",
        f"{OPEN_JOBS}::test_a_part_sent_twice_over_a_bad_line_is_one",
    ),
    Mechanism(
        FINAL,
        "nothing is added to a job that is not open",
        LUA + "extend.lua",
        "if not f[4] then return {'closed', f[1]} end",
        "",
        f"{OPEN_JOBS}::test_nothing_is_added_to_a_job_that_is_not_open",
    ),
    Mechanism(
        BOUNDED,
        "images of a job in all its parts",
        LUA + "extend.lua",
        "if first + count > tonumber(ARGV[6]) then return {'too_many', first} end",
        "",
        f"{OPEN_JOBS}::test_bounds_hold_for_parts_as_for_jobs",
    ),
    Mechanism(
        SAFE_REDIS,
        "noeviction",
        "tenfold/store/server.py",
        'if policy != "noeviction":',
        "if False:",
        f"{CARETAKER}::test_a_server_that_could_drop_work_is_refused",
    ),
    Mechanism(
        SAFE_REDIS,
        "room for what the settings allow",
        "tenfold/store/server.py",
        "if limit and limit < needs.total:",
        "if False:",
        f"{CARETAKER}::test_a_server_that_could_drop_work_is_refused",
    ),
)
