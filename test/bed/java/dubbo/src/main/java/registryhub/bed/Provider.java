package registryhub.bed;

import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.ServiceConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;
import org.apache.dubbo.samples.api.GreetingService;

/**
 * A Dubbo provider of GreetingService. Prints READY once it is registered; SIGTERM deregisters it.
 *
 * <p>System properties: bed.registry (an address as Dubbo takes it), bed.protocol, bed.port, bed.application, bed.id (named
 * in its answers), bed.qosPort (on 127.0.0.1, where {@code offline} deregisters it), and, optional, bed.username and
 * bed.password (for the registry), bed.version, bed.group, bed.path (where it serves the interface, if not at its name)
 * and bed.parameter.NAME (a parameter of the service's URL). The address it registers comes from the environment variable
 * DUBBO_IP_TO_REGISTRY.
 */
public final class Provider {
  private static final String PARAMETER = "bed.parameter.";

  public static void main(String[] args) throws InterruptedException {
    ApplicationConfig application = new ApplicationConfig(required("bed.application"));
    application.setQosHost("127.0.0.1");
    application.setQosPort(Integer.parseInt(required("bed.qosPort")));
    DubboBootstrap.getInstance()
        .application(application)
        .registry(registry())
        .protocol(new ProtocolConfig(required("bed.protocol"), Integer.parseInt(required("bed.port"))))
        .service(greetingService(required("bed.id")))
        .start();
    System.out.println("READY");
    Thread.currentThread().join(); // until a signal ends the process
  }

  private static RegistryConfig registry() {
    RegistryConfig registry = new RegistryConfig(required("bed.registry"));
    registry.setUsername(System.getProperty("bed.username"));
    registry.setPassword(System.getProperty("bed.password"));
    return registry;
  }

  private static ServiceConfig<GreetingService> greetingService(String id) {
    ServiceConfig<GreetingService> service = new ServiceConfig<>();
    service.setInterface(GreetingService.class);
    service.setRef(new Greetings(id));
    service.setPath(System.getProperty("bed.path"));
    service.setVersion(System.getProperty("bed.version"));
    service.setGroup(System.getProperty("bed.group"));
    service.setParameters(parameters());
    return service;
  }

  private static Map<String, String> parameters() {
    Map<String, String> parameters = new LinkedHashMap<>();
    for (String name : System.getProperties().stringPropertyNames()) {
      if (name.startsWith(PARAMETER)) parameters.put(name.substring(PARAMETER.length()), System.getProperty(name));
    }
    return parameters;
  }

  private static String required(String property) {
    String value = System.getProperty(property);
    if (value == null) throw new IllegalArgumentException("-D" + property + " is missing");
    return value;
  }

  private Provider() {}
}
