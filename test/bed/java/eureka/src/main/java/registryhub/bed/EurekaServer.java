package registryhub.bed;

import java.io.IOException;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.netflix.eureka.server.EnableEurekaServer;
import org.springframework.context.annotation.Bean;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.userdetails.User;
import org.springframework.security.core.userdetails.UserDetailsService;
import org.springframework.security.core.userdetails.UsernameNotFoundException;
import org.springframework.security.crypto.password.NoOpPasswordEncoder;
import org.springframework.security.crypto.password.PasswordEncoder;
import org.springframework.security.web.SecurityFilterChain;

/**
 * Spring Cloud's Eureka server. Prints READY and its process id once it listens. Where bed.users names a file,
 * everybody has to log in by HTTP Basic as one of its lines, name=password; it is read again at each request. All other
 * settings are Spring's own.
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
  SecurityFilterChain chain(HttpSecurity http, @Value("${bed.users:}") String users) throws Exception {
    http.csrf(csrf -> csrf.disable());
    if (!users.isEmpty()) {
      http.authorizeHttpRequests(all -> all.anyRequest().authenticated()).httpBasic(Customizer.withDefaults());
    } else {
      http.authorizeHttpRequests(all -> all.anyRequest().permitAll());
    }
    return http.build();
  }

  @Bean
  UserDetailsService users(@Value("${bed.users:}") String file) {
    return name -> {
      Properties passwords = new Properties();
      try (Reader reader = Files.newBufferedReader(Path.of(file))) {
        passwords.load(reader);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
      String password = passwords.getProperty(name);
      if (password == null) throw new UsernameNotFoundException(name);
      return User.withUsername(name).password(password).authorities("all").build();
    };
  }

  /** Without this every single request costs a tenth of a second, for bcrypt. */
  @Bean
  @SuppressWarnings("deprecation")
  PasswordEncoder passwordEncoder() {
    return NoOpPasswordEncoder.getInstance();
  }
}
