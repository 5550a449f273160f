package registryhub.bed;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ReferenceConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;
import org.apache.dubbo.rpc.RpcContext;
import org.apache.dubbo.rpc.service.EchoService;
import org.apache.dubbo.rpc.service.GenericService;
import org.apache.dubbo.samples.api.GreetingService;

/**
 * A Dubbo consumer without a registry; see {@link Consumer}. A call is {@code {"reference", "method", "arguments",
 * "attachments"}}; its method is one of GreetingService or {@code $echo}, of a generic reference any. A reference is {@code
 * {"url", "interface", "version", "group", "timeout", "retries", "generic", "parameters"}}, made when it is first named.
 *
 * <p>System property: bed.application.
 */
public final class DubboConsumer {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Map<JsonNode, Object> references = new HashMap<>();

  public static void main(String[] arguments) throws Exception {
    Consumer consumer = new Consumer();
    ApplicationConfig application = new ApplicationConfig(System.getProperty("bed.application"));
    application.setQosEnable(false);
    DubboBootstrap.getInstance().application(application).registry(new RegistryConfig("N/A")).start();
    consumer.serve(new DubboConsumer()::prepare);
  }

  private Callable<String> prepare(JsonNode call) throws IOException {
    Object reference = reference(call.get("reference"));
    String name = call.get("method").asText();
    JsonNode arguments = call.get("arguments");
    Map<String, String> attachments = texts(call.get("attachments"));
    Callable<Object> invoke = invocation(reference, name, arguments);
    return () -> {
      RpcContext.getContext().clearAttachments();
      attachments.forEach(RpcContext.getContext()::setAttachment);
      return String.valueOf(invoke.call());
    };
  }

  private static Callable<Object> invocation(Object reference, String name, JsonNode arguments) throws IOException {
    if (name.equals("$echo")) {
      String text = arguments.get(0).asText();
      return () -> ((EchoService) reference).$echo(text);
    }
    String[] values = JSON.convertValue(arguments, String[].class);
    if (reference instanceof GenericService) {
      String[] types = List.of(values).stream().map(value -> String.class.getName()).toArray(String[]::new);
      return () -> ((GenericService) reference).$invoke(name, types, values);
    }
    return () -> invoke(reference, name, values);
  }

  private static Object invoke(Object reference, String name, Object[] values) throws Exception {
    Class<?>[] types = List.of(values).stream().map(Object::getClass).toArray(Class<?>[]::new);
    Method method = GreetingService.class.getMethod(name, types);
    try {
      return method.invoke(reference, values);
    } catch (InvocationTargetException thrown) {
      if (thrown.getCause() instanceof Exception) throw (Exception) thrown.getCause();
      throw thrown;
    }
  }

  /** One connection for all references to a provider, as Dubbo does. */
  private synchronized Object reference(JsonNode described) {
    return references.computeIfAbsent(described, DubboConsumer::refer);
  }

  private static Object refer(JsonNode described) {
    ReferenceConfig<Object> reference = new ReferenceConfig<>();
    reference.setInterface(described.get("interface").asText());
    reference.setUrl(described.get("url").asText());
    reference.setCheck(false);
    reference.setTimeout(described.get("timeout").asInt());
    reference.setRetries(described.get("retries").asInt());
    if (described.get("generic").asBoolean()) reference.setGeneric("true");
    if (described.has("version")) reference.setVersion(described.get("version").asText());
    if (described.has("group")) reference.setGroup(described.get("group").asText());
    reference.setParameters(texts(described.get("parameters")));
    return reference.get();
  }

  private static Map<String, String> texts(JsonNode object) {
    Map<String, String> texts = new LinkedHashMap<>();
    object.fields().forEachRemaining(each -> texts.put(each.getKey(), each.getValue().asText()));
    return texts;
  }
}
