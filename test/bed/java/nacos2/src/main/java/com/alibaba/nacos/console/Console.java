package com.alibaba.nacos.console;

import com.alibaba.nacos.common.model.RestResult;
import com.alibaba.nacos.common.model.RestResultUtils;
import com.alibaba.nacos.core.cluster.health.ModuleHealthCheckerHolder;
import com.alibaba.nacos.core.cluster.health.ReadinessResult;
import com.alibaba.nacos.core.code.ControllerMethodsCache;
import com.alibaba.nacos.core.namespace.model.Namespace;
import com.alibaba.nacos.core.service.NamespaceOperationService;
import java.util.List;
import javax.annotation.PostConstruct;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** What the server's console does for its HTTP API: it tells which methods there are, and serves two of them. */
@RestController
public class Console {
  /** The packages with controllers; a request for one that is not named here is answered 501. */
  private static final List<String> CONTROLLERS =
      List.of(
          "com.alibaba.nacos.core.controller",
          "com.alibaba.nacos.naming.controllers",
          "com.alibaba.nacos.config.server.controller",
          "com.alibaba.nacos.plugin.auth.impl.controller",
          "com.alibaba.nacos.console");

  private final NamespaceOperationService namespaces;
  private final ControllerMethodsCache methods;

  public Console(NamespaceOperationService namespaces, ControllerMethodsCache methods) {
    this.namespaces = namespaces;
    this.methods = methods;
  }

  @PostConstruct
  public void nameMethods() {
    CONTROLLERS.forEach(methods::initClassMethod);
  }

  @GetMapping("/v1/console/namespaces")
  public RestResult<List<Namespace>> namespaces() {
    return RestResultUtils.success(namespaces.getNamespaceList());
  }

  @GetMapping("/v1/console/health/readiness")
  public ResponseEntity<String> readiness() {
    ReadinessResult result = ModuleHealthCheckerHolder.getInstance().checkReadiness();
    return result.isSuccess()
        ? ResponseEntity.ok("OK")
        : ResponseEntity.internalServerError().body(result.getResultMessage());
  }
}
