import asyncio

import httpx

from tests.integration.gateway.gateway_world import World, image


def test_a_crowd_larger_than_the_pool_of_connections_is_served(world: World) -> None:
    """A hundred at the same moment, three times what the gateway keeps open to Redis, are all accepted."""
    picture = image()

    async def crowd() -> set[int]:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=world.url, timeout=60, limits=limits) as http:
            headers = {"content-type": "image/jpeg", "prefer": "respond-async"}
            posts = [http.post("/v1/detect", content=picture, headers=headers) for _ in range(100)]
            return {reply.status_code for reply in await asyncio.gather(*posts)}

    assert asyncio.run(crowd()) <= {200, 202}
