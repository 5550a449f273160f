package registryhub.bed;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Makes calls as it is told, until its stdin ends.
 *
 * <p>A line of stdin is a request, {@code {"id", "do", ...}}; a line of stdout is the reply, {@code {"id", "result"}} or
 * {@code {"id", "error"}}, in any order. Requests: {@code ready}; {@code call} a {@code call} once and answer what it
 * answered; {@code calls}, {@code times} times by {@code parallel} threads, and answer the counts; {@code start} a
 * {@code loop} of {@code perSecond} calls; {@code read} and {@code stop} one.
 */
public final class Consumer {
  /** What a program of this kind has of its own: how it makes a call. */
  public interface Caller {
    /** Given a request's {@code call}. What is returned is called many times, by many threads at once. */
    Callable<String> prepare(JsonNode call) throws Exception;
  }

  /** Of an answer, what is told and what answers are counted by. */
  static final int TOLD_LENGTH = 200;

  private static final ObjectMapper JSON = new ObjectMapper();

  private final ExecutorService requests = Executors.newCachedThreadPool();
  private final Map<String, Loop> loops = new ConcurrentHashMap<>();
  private final PrintStream replies;

  /** Takes stdout. Whatever else prints, from now on, must not spoil the replies. */
  public Consumer() {
    replies = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    System.setOut(System.err);
  }

  /** Does what stdin says. When that ends, the process does. */
  public void serve(Caller caller) throws IOException {
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      JsonNode request = JSON.readTree(line);
      requests.execute(() -> reply(caller, request));
    }
    System.exit(0);
  }

  private void reply(Caller caller, JsonNode request) {
    ObjectNode reply = JSON.createObjectNode().set("id", request.get("id"));
    try {
      reply.set("result", JSON.valueToTree(perform(caller, request)));
    } catch (Throwable error) { // an Error too: nobody may wait for ever
      reply.put("error", Counts.whole(error));
    }
    synchronized (replies) {
      replies.println(reply);
    }
  }

  private Object perform(Caller caller, JsonNode request) throws Exception {
    switch (request.get("do").asText()) {
      case "ready":
        return null;
      case "call":
        String answer = caller.prepare(request.get("call")).call();
        return Map.of("text", Counts.told(answer), "length", answer.length());
      case "calls":
        return loop(caller, request, request.get("times").asLong()).await();
      case "start":
        loops.put(request.get("loop").asText(), loop(caller, request, Long.MAX_VALUE));
        return null;
      case "read":
        return loops.get(request.get("loop").asText()).read();
      case "stop":
        return loops.get(request.get("loop").asText()).stop();
      default:
        throw new IllegalArgumentException("no such request: " + request);
    }
  }

  private static Loop loop(Caller caller, JsonNode request, long times) throws Exception {
    double perSecond = request.path("perSecond").asDouble(Double.POSITIVE_INFINITY);
    return new Loop(caller.prepare(request.get("call")), perSecond, request.get("parallel").asInt(), times);
  }
}
