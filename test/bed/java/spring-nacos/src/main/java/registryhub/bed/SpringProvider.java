package registryhub.bed;

import java.util.concurrent.atomic.AtomicLong;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.client.serviceregistry.Registration;
import org.springframework.cloud.client.serviceregistry.ServiceRegistry;
import org.springframework.context.ApplicationContext;
import org.springframework.core.env.Environment;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;

/**
 * A Spring Cloud application that registers itself. Prints READY once it is registered; SIGTERM deregisters it. All its
 * settings are Spring's own, given as system properties.
 */
@SpringBootApplication
@RestController
public class SpringProvider {
  private final AtomicLong greetings = new AtomicLong();
  private final ApplicationContext context;

  public SpringProvider(ApplicationContext context) {
    this.context = context;
  }

  public static void main(String[] arguments) {
    SpringApplication.run(SpringProvider.class, arguments);
    System.out.println("READY");
  }

  @GetMapping("/hello")
  public String hello() {
    return "Hello";
  }

  /** Says who answers; after {@code sleep} milliseconds, in at least {@code length} characters. */
  @RequestMapping("/greeting")
  public String greeting(
      @RequestParam(name = "sleep", defaultValue = "0") long sleep,
      @RequestParam(name = "length", defaultValue = "0") int length)
      throws InterruptedException {
    greetings.incrementAndGet();
    Thread.sleep(sleep);
    Environment settings = context.getEnvironment();
    String text =
        "Hello from " + settings.getProperty("spring.application.name") + ":" + settings.getProperty("server.port");
    return text + ".".repeat(Math.max(0, length - text.length()));
  }

  /** How often it has greeted. */
  @GetMapping("/greetings")
  public String greetings() {
    return String.valueOf(greetings);
  }

  /** Takes it out of its registry, as a rolling update that is careful does first; it goes on serving. */
  @PostMapping("/offline")
  @SuppressWarnings({"rawtypes", "unchecked"}) // each registry has a Registration of its own
  public void offline() {
    ServiceRegistry registry = context.getBean(ServiceRegistry.class);
    registry.deregister(context.getBean(Registration.class));
  }
}
