package registryhub.bed;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Stream;

/**
 * Does what it is told with Nacos' own client, until its stdin ends.
 *
 * <p>A line of stdin is a request: {@code {"id", "do", "connection", "properties", ...}}. A line of stdout is the reply:
 * {@code {"id", "result"}} or {@code {"id", "error"}}. Requests are worked on at the same time, but those of one
 * connection about one service in their order. A connection is made, with the client's properties, when it is first
 * named.
 */
public final class NacosAgent {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Map<String, Connection> connections = new ConcurrentHashMap<>();
  private final List<ExecutorService> lanes =
      Stream.generate(() -> Executors.newSingleThreadExecutor()).limit(16).toList();
  private final PrintStream replies;

  private NacosAgent(PrintStream replies) {
    this.replies = replies;
  }

  public static void main(String[] arguments) throws IOException {
    NacosAgent agent = new NacosAgent(new PrintStream(System.out, true, StandardCharsets.UTF_8));
    System.setOut(System.err); // whoever else prints must not spoil the replies
    BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = requests.readLine(); line != null; line = requests.readLine()) agent.take(line);
    System.exit(0);
  }

  private void take(String line) throws JsonProcessingException {
    JsonNode request = JSON.readTree(line);
    int subject = Objects.hash(request.get("connection"), request.get("service"), request.get("group"));
    lanes.get(Math.floorMod(subject, lanes.size())).execute(() -> reply(request));
  }

  private void reply(JsonNode request) {
    ObjectNode reply = JSON.createObjectNode().set("id", request.get("id"));
    try {
      reply.set("result", JSON.valueToTree(perform(request)));
    } catch (Exception exception) {
      reply.put("error", exception.toString());
    }
    synchronized (replies) {
      replies.println(reply);
    }
  }

  private Object perform(JsonNode request) throws Exception {
    String action = request.get("do").asText();
    String name = request.get("connection").asText();
    if (action.equals("drop")) {
      Connection dropped = connections.remove(name);
      if (dropped != null) dropped.close();
      return null;
    }
    Connection connection = connections.computeIfAbsent(name, key -> new Connection(properties(request)));
    return connection.perform(action, request);
  }

  private static Properties properties(JsonNode request) {
    Properties properties = new Properties();
    request.get("properties").fields().forEachRemaining(each -> properties.put(each.getKey(), each.getValue().asText()));
    return properties;
  }
}
