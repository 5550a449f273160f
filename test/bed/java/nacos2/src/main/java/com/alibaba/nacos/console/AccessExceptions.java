package com.alibaba.nacos.console;

import com.alibaba.nacos.plugin.auth.exception.AccessException;
import org.springframework.core.Ordered;
import org.springframework.core.annotation.Order;
import org.springframework.http.HttpStatus;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.ControllerAdvice;
import org.springframework.web.bind.annotation.ExceptionHandler;

/** Answers 403, as the server's console does, where a wrong password would otherwise get the HTTP status 0. */
@ControllerAdvice
@Order(Ordered.HIGHEST_PRECEDENCE)
public class AccessExceptions {
  @ExceptionHandler(AccessException.class)
  public ResponseEntity<String> forbidden(AccessException exception) {
    return ResponseEntity.status(HttpStatus.FORBIDDEN).body(exception.getErrMsg());
  }
}
