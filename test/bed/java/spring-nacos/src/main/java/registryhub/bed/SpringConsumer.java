package registryhub.bed;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.time.Duration;
import java.util.concurrent.Callable;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.web.client.RestTemplateAutoConfiguration;
import org.springframework.boot.web.client.RestTemplateBuilder;
import org.springframework.http.HttpMethod;
import org.springframework.http.RequestEntity;
import org.springframework.http.client.JdkClientHttpRequestFactory;
import org.springframework.web.client.RestTemplate;

/**
 * A Spring Boot application that calls by RestTemplate and a fixed URL, without a registry; see {@link Consumer}. A call is
 * {@code {"url", "method", "headers"}}. Its HTTP client is the JDK's, as Spring Boot 3.4 and later choose it; it keeps
 * connections. System property: bed.timeout, in milliseconds, to connect and to read.
 */
public final class SpringConsumer {
  public static void main(String[] arguments) throws IOException {
    Consumer consumer = new Consumer();
    SpringApplication application = new SpringApplication(RestTemplateAutoConfiguration.class);
    application.setWebApplicationType(WebApplicationType.NONE);
    RestTemplateBuilder builder = application.run(arguments).getBean(RestTemplateBuilder.class);
    RestTemplate template = builder.requestFactory(SpringConsumer::requestFactory).build();
    consumer.serve(call -> prepare(template, call));
  }

  private static JdkClientHttpRequestFactory requestFactory() {
    Duration timeout = Duration.ofMillis(Long.getLong("bed.timeout"));
    HttpClient client = HttpClient.newBuilder().connectTimeout(timeout).build();
    JdkClientHttpRequestFactory factory = new JdkClientHttpRequestFactory(client);
    factory.setReadTimeout(timeout);
    return factory;
  }

  private static Callable<String> prepare(RestTemplate template, JsonNode call) {
    HttpMethod method = HttpMethod.valueOf(call.get("method").asText());
    RequestEntity.BodyBuilder request = RequestEntity.method(method, URI.create(call.get("url").asText()));
    call.get("headers").fields().forEachRemaining(each -> request.header(each.getKey(), each.getValue().asText()));
    RequestEntity<Void> built = request.build();
    return () -> String.valueOf(template.exchange(built, String.class).getBody());
  }

  private SpringConsumer() {}
}
