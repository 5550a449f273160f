package registryhub.bed;

import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.netflix.eureka.server.EnableEurekaServer;
import org.springframework.context.annotation.Bean;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.crypto.password.NoOpPasswordEncoder;
import org.springframework.security.crypto.password.PasswordEncoder;
import org.springframework.security.web.SecurityFilterChain;

/**
 * Spring Cloud's Eureka server. Prints READY and its process id once it listens. With bed.auth=true everybody has to log
 * in as spring.security.user, by HTTP Basic. All other settings are Spring's own.
 */
@SpringBootApplication
@EnableEurekaServer
public class EurekaServer {
  public static void main(String[] arguments) {
    SpringApplication.run(EurekaServer.class, arguments);
    System.out.println("READY " + ProcessHandle.current().pid());
  }

  /** Without this, every registration is a 403: Spring Security asks for a CSRF token. */
  @Bean
  SecurityFilterChain chain(HttpSecurity http, @Value("${bed.auth:false}") boolean auth) throws Exception {
    http.csrf(csrf -> csrf.disable());
    if (auth) {
      http.authorizeHttpRequests(all -> all.anyRequest().authenticated()).httpBasic(Customizer.withDefaults());
    } else {
      http.authorizeHttpRequests(all -> all.anyRequest().permitAll());
    }
    return http.build();
  }

  /** Without this the password is kept as bcrypt has it, and every single request costs a tenth of a second. */
  @Bean
  @SuppressWarnings("deprecation")
  PasswordEncoder passwordEncoder() {
    return NoOpPasswordEncoder.getInstance();
  }
}
