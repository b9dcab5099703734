"""Coroutines on a thread of their own, ended in order."""

import asyncio
import threading


class Background:
    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.tasks: list[asyncio.Task] = []  # the loop itself would forget them
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def run(self, coroutine):
        """Waits for it, and returns what it does."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def begin(self, coroutine) -> None:
        """Does not wait for it."""
        self.loop.call_soon_threadsafe(lambda: self.tasks.append(self.loop.create_task(coroutine)))

    def end(self) -> None:
        self.run(self._cancel())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    async def _cancel(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
