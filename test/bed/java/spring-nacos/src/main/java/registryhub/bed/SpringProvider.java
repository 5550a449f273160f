package registryhub.bed;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/**
 * A Spring Cloud application that registers itself. Prints READY once it is registered; SIGTERM deregisters it. All its
 * settings are Spring's own, given as system properties.
 */
@SpringBootApplication
@RestController
public class SpringProvider {
  public static void main(String[] arguments) {
    SpringApplication.run(SpringProvider.class, arguments);
    System.out.println("READY");
  }

  @GetMapping("/hello")
  public String hello() {
    return "Hello";
  }
}
