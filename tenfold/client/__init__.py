"""A running Tenfold from Python: `Tenfold`, and `AsyncTenfold`, its twin for asyncio.

    >>> client = Tenfold("http://127.0.0.1:8000")
    >>> for image in client.detect(["photo.jpg", "other.jpg"]).results or []:
    ...     print(image.name, image.detections)

Both twins build the same `Call`s, retry by the same `Attempts` and read events along the same `Trail`; what differs is
who waits. Errors are one tree, drawn in `tenfold.client.errors`.
"""

from tenfold.client.asynchronous import AsyncTenfold
from tenfold.client.blocking import Tenfold
from tenfold.client.connection import DEFAULT_URL
from tenfold.client.delivery import OnSent
from tenfold.client.errors import ApiError, Busy, ClientError, NotReachable, ProxyFailed, UnusableImage, WaitRanOut
from tenfold.client.events import Event, Progressed, ResultCommitted, StateChanged
from tenfold.client.records import FINAL_STATES, Added, ImageCounts, ImageResult, Job, JobPage, Model
from tenfold.client.retries import Retries
from tenfold.client.uploads import Options, Picture, Pictures, Upload
from tenfold.contract.records import BatchInfo, Detection, ItemError, Timing

__all__ = [
    "DEFAULT_URL",
    "FINAL_STATES",
    "Added",
    "ApiError",
    "AsyncTenfold",
    "BatchInfo",
    "Busy",
    "ClientError",
    "Detection",
    "Event",
    "ImageCounts",
    "ImageResult",
    "ItemError",
    "Job",
    "JobPage",
    "Model",
    "NotReachable",
    "OnSent",
    "Options",
    "Picture",
    "Pictures",
    "Progressed",
    "ProxyFailed",
    "ResultCommitted",
    "Retries",
    "StateChanged",
    "Tenfold",
    "Timing",
    "UnusableImage",
    "Upload",
    "WaitRanOut",
]
