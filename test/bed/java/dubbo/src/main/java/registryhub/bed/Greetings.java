package registryhub.bed;

import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.dubbo.rpc.RpcContext;
import org.apache.dubbo.samples.api.GreetingService;

/**
 * What the provider answers. A call's attachments steer it: {@code bed.sleep} (milliseconds before the answer), {@code
 * bed.length} (how many characters it has) and {@code bed.answer}, which asks for something else than a greeting: {@code
 * calls}, how many there were, this one included, or {@code attachments}, those that arrived.
 */
final class Greetings implements GreetingService {
  private final AtomicLong calls = new AtomicLong();
  private final String id;

  Greetings(String id) {
    this.id = id;
  }

  @Override
  public String sayHello(String name) {
    return answer("Hello " + name + " from " + id);
  }

  /** Of the interface only where {@link LaterMethod} has written it. */
  public String sayGoodbye(String name) {
    return answer("Goodbye " + name + " from " + id);
  }

  private String answer(String greeting) {
    long count = calls.incrementAndGet();
    RpcContext context = RpcContext.getContext();
    String sleep = context.getAttachment("bed.sleep");
    String length = context.getAttachment("bed.length");
    String what = context.getAttachment("bed.answer");
    String answer = greeting;
    if ("calls".equals(what)) answer = String.valueOf(count);
    if ("attachments".equals(what)) answer = new TreeMap<>(context.getAttachments()).toString();
    if (sleep != null) sleep(Long.parseLong(sleep));
    return length == null ? answer : answer + ".".repeat(Math.max(0, Integer.parseInt(length) - answer.length()));
  }

  private static void sleep(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException interrupted) { // the provider is ending
      throw new IllegalStateException(interrupted);
    }
  }
}
