package registryhub.bed;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * Makes one call again and again. Each thread has its share of the rate; one whose call took longer than that goes on at
 * once and does not make up for what it missed, so a registry or provider that hangs is not answered by a burst.
 */
final class Loop {
  private final Counts counts = new Counts();
  private final List<Thread> threads = new ArrayList<>();
  private final Callable<String> call;
  private final AtomicLong left;
  private volatile boolean stopping;

  /** Begins: {@code times} calls at most, each thread {@code perSecond / parallel} in a second, the threads in turn. */
  Loop(Callable<String> call, double perSecond, int parallel, long times) {
    this.call = call;
    this.left = new AtomicLong(times);
    long start = System.nanoTime();
    for (int i = 0; i < parallel; i++) {
      long first = start + (long) (1e9 * i / perSecond);
      Thread thread = new Thread(() -> work(first, (long) (1e9 * parallel / perSecond)), "calls-" + i);
      threads.add(thread);
      thread.start();
    }
  }

  Map<String, Object> read() {
    return counts.read();
  }

  /** Begins no further call, and waits for those that are under way. */
  Map<String, Object> stop() throws InterruptedException {
    stopping = true;
    threads.forEach(LockSupport::unpark);
    return await();
  }

  /** Waits until all its calls are made. */
  Map<String, Object> await() throws InterruptedException {
    for (Thread thread : threads) thread.join();
    counts.end();
    return counts.read();
  }

  private void work(long first, long period) {
    long due = first;
    while (isDue(due) && left.getAndDecrement() > 0) {
      makeCall();
      due = Math.max(due + period, System.nanoTime());
    }
  }

  /** Waits until then. False when the loop was stopped before. */
  private boolean isDue(long due) {
    for (long wait = due - System.nanoTime(); !stopping && wait > 0; wait = due - System.nanoTime()) {
      LockSupport.parkNanos(wait);
    }
    return !stopping;
  }

  private void makeCall() {
    long start = System.nanoTime();
    counts.began();
    try {
      String answer = call.call();
      counts.succeeded(answer, System.nanoTime() - start);
    } catch (Throwable error) {
      counts.failed(error);
    }
  }
}
