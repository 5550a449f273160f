package org.apache.dubbo.samples.api;

/** The interface of the Dubbo samples; its name is what consumers and registries see. */
public interface GreetingService {
  String sayHello(String name);
}
