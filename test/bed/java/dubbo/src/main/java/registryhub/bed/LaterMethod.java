package registryhub.bed;

import javassist.ClassPool;
import javassist.CtClass;
import javassist.CtNewMethod;

/**
 * Writes GreetingService with a method that later versions have into the folder that is named, for a class path that
 * begins with it. Dubbo reads the interface's bytes there as well as its class, so to change the loaded class is not enough.
 */
public final class LaterMethod {
  public static void main(String[] arguments) throws Exception {
    CtClass service = ClassPool.getDefault().get("org.apache.dubbo.samples.api.GreetingService");
    service.addMethod(CtNewMethod.make("String sayGoodbye(String name);", service));
    service.writeFile(arguments[0]);
  }

  private LaterMethod() {}
}
