package registryhub.bed;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Pattern;

/** What came of the calls of one loop. Every call that began is in flight, or counted once. */
final class Counts {
  private static final class Failures {
    final String example;
    final long firstAt = System.currentTimeMillis();
    long lastAt;
    long count;

    Failures(String example) {
      this.example = example;
    }
  }

  /** Of one kind each (texts of answers, messages of errors); what is beyond that is counted together. */
  private static final int DISTINCT = 100;

  private static final String OTHERS = "(others)";
  /** What differs between errors that are the same: times, ids, ports. Not a status (3 digits). */
  private static final Pattern VOLATILE =
      Pattern.compile("\\d{4}-\\d\\d-\\d\\d[ T][\\d:.,]+|0x[0-9a-f]+|\\d+(?= ms)|(?<=id=)\\d+|\\d{4,}");

  private final Map<String, Long> answers = new LinkedHashMap<>();
  private final Map<String, Failures> errors = new LinkedHashMap<>();
  private int[] micros = new int[1024];
  private int ok;
  private long failed;
  private int inFlight;
  private long lastGood = System.nanoTime();
  private long longestGap;
  private boolean ended;

  synchronized void began() {
    inFlight++;
  }

  synchronized void succeeded(String answer, long nanos) {
    inFlight--;
    if (ok == micros.length) micros = Arrays.copyOf(micros, 2 * ok);
    micros[ok++] = (int) (nanos / 1000);
    String told = told(answer);
    answers.merge(answers.containsKey(told) || answers.size() < DISTINCT ? told : OTHERS, 1L, Long::sum);
    longestGap = gap();
    lastGood = System.nanoTime();
  }

  synchronized void failed(Throwable error) {
    inFlight--;
    failed++;
    String brief = brief(error);
    String kind = errors.containsKey(brief) || errors.size() < DISTINCT ? brief : OTHERS;
    Failures failures = errors.computeIfAbsent(kind, key -> new Failures(whole(error)));
    failures.count++;
    failures.lastAt = System.currentTimeMillis();
  }

  /** From now on no gap grows. */
  synchronized void end() {
    longestGap = gap();
    ended = true;
  }

  synchronized Map<String, Object> read() {
    Map<String, Object> counts = new LinkedHashMap<>();
    counts.put("ok", ok);
    counts.put("failed", failed);
    counts.put("inFlight", inFlight);
    counts.put("answers", new LinkedHashMap<>(answers));
    counts.put("errors", errors.entrySet().stream().map(each -> told(each.getKey(), each.getValue())).toList());
    counts.put("longestGapMs", gap() / 1e6);
    counts.put("latencyMs", latency());
    return counts;
  }

  /** The longest time without a good answer so far, in nanoseconds. */
  private long gap() {
    return ended ? longestGap : Math.max(longestGap, System.nanoTime() - lastGood);
  }

  private Map<String, Object> latency() {
    int[] sorted = Arrays.copyOf(micros, ok);
    Arrays.sort(sorted);
    Map<String, Object> latency = new LinkedHashMap<>();
    if (ok == 0) return latency;
    latency.put("p50", sorted[ok / 2] / 1e3);
    latency.put("p99", sorted[(int) (ok * 0.99)] / 1e3);
    latency.put("max", sorted[ok - 1] / 1e3);
    return latency;
  }

  private static Map<String, Object> told(String message, Failures failures) {
    return Map.of(
        "message", message,
        "count", failures.count,
        "example", failures.example,
        "firstAt", failures.firstAt,
        "lastAt", failures.lastAt);
  }

  static String told(String answer) {
    return answer.substring(0, Math.min(Consumer.TOLD_LENGTH, answer.length()));
  }

  /** The kind of error and what is at its root, without what differs each time. */
  private static String brief(Throwable error) {
    Throwable root = rootOf(error);
    String text = root == error ? firstLine(error) : error.getClass().getSimpleName() + ": " + firstLine(root);
    return told(VOLATILE.matcher(text).replaceAll("#"));
  }

  private static String firstLine(Throwable error) {
    String message = String.valueOf(error.getMessage()).lines().findFirst().orElse("");
    return error.getClass().getSimpleName() + ": " + message;
  }

  /** What the library said, and what is at its root. */
  static String whole(Throwable error) {
    Throwable root = rootOf(error);
    String text = root == error ? error.toString() : error + "; at its root: " + root;
    return text.substring(0, Math.min(3000, text.length()));
  }

  private static Throwable rootOf(Throwable error) {
    Throwable root = error;
    for (int depth = 0; root.getCause() != null && depth < 20; depth++) root = root.getCause();
    return root;
  }
}
