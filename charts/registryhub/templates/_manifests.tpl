{{/*
The objects of a file of manifests/, as the text of a YAML list. The manifests are those of kustomize, for the namespace
servicemesh; here they are in that of the release. Call with (list $ "rbac/users.yaml").
*/}}
{{- define "registryhub.objects" -}}
{{- $root := index . 0 -}}
{{- $file := printf "manifests/%s" (index . 1) -}}
{{- $text := required (printf "the chart has no %s" $file) ($root.Files.Get $file) -}}
{{- range regexSplit "(?m)^---$" ($text | replace "servicemesh" $root.Release.Namespace) -1 }}
{{- $object := fromYaml . }}
{{- with $object.Error }}{{ fail (printf "%s: %s" $file .) }}{{ end }}
- {{- toYaml $object | nindent 2 }}
{{- end }}
{{- end }}

{{/* Prints an object, with what every object has. Call with (list $ $object). */}}
{{- define "registryhub.print" -}}
{{- $root := index . 0 -}}
{{- $object := index . 1 -}}
{{- $metadata := $object.metadata -}}
{{- if not (regexMatch "^(Cluster|CustomResource|ValidatingAdmission|Priority)" $object.kind) -}}
{{- $_ := set $metadata "namespace" ($metadata.namespace | default $root.Release.Namespace) -}}
{{- end -}}
{{- with $root.Values.commonLabels -}}
{{- $_ := set $metadata "labels" (merge (dict) ($metadata.labels | default dict) .) -}}
{{- end }}
---
{{ toYaml $object }}
{{ end }}

{{/* What the hub-controllers of all lanes have in common in multi-tenant clusters. */}}
{{- define "registryhub.tenancyArgs" -}}
{{- if index .Values.components "multi-tenant" }}
{{- if hasKey .Values.settings "allow-cross-namespace" }}
{{- fail "settings.allow-cross-namespace: the component multi-tenant sets it; leave one of the two out" }}
{{- end }}
- --allow-cross-namespace=false
- --deny-targets={{ index .Values.settings "deny-targets" | default "com,net,org,io,cn" }}
- --page-port={{ index .Values.settings "page-port" | default "0" }}
{{- end }}
{{- end }}

{{/* The value of --hub-selector of a lane. */}}
{{- define "registryhub.laneSelector" -}}
ecns.easystack.cn/lane={{ .name }}
{{- end }}

{{/* The value of --hub-selector of the Deployment registryhub, which serves the hubs of no lane; empty without lanes. */}}
{{- define "registryhub.restSelector" -}}
{{- $names := list -}}
{{- range .Values.lanes }}{{ $names = append $names .name }}{{ end -}}
{{- if eq (len $names) 1 -}}
ecns.easystack.cn/lane!={{ first $names }}
{{- else if $names -}}
ecns.easystack.cn/lane notin ({{ join "," $names }})
{{- end -}}
{{- end }}

{{/* The Lease of a hub-controller with that --hub-selector. */}}
{{- define "registryhub.lease" -}}
registryhub-{{ sha256sum . | trunc 8 }}
{{- end }}

{{/* Puts the values into a Deployment. Call with a dict of root, object, args (a list to add) and own (replicas, resources). */}}
{{- define "registryhub.configure" -}}
{{- $values := .root.Values -}}
{{- $template := .object.spec.template -}}
{{- $pod := $template.spec -}}
{{- $container := first $pod.containers -}}
{{- $image := $values.image -}}
{{- $version := $image.tag | default .root.Chart.AppVersion | printf ":%s" -}}
{{- with $image.digest }}{{ $version = printf "@%s" . }}{{ end -}}
{{- $_ := set $container "image" (printf "%s%s" $image.repository $version) -}}
{{- $_ := set $container "imagePullPolicy" $image.pullPolicy -}}
{{- $args := .args -}}
{{- if ne $values.rootNamespace "servicemesh" -}}
{{- $args = append $args (printf "--root-namespace=%s" $values.rootNamespace) -}}
{{- end -}}
{{- $_ := set $container "args" (concat $container.args $args) -}}
{{- range $name, $value := $values.settings -}}
{{- $text := ternary (int64 $value | toString) (toString $value) (kindIs "float64" $value) -}}
{{- $variable := dict "name" (printf "REGISTRYHUB_%s" ($name | upper | replace "-" "_")) "value" $text -}}
{{- $_ := set $container "env" (append $container.env $variable) -}}
{{- end -}}
{{- with .own.resources }}{{ $_ := set $container "resources" . }}{{ end -}}
{{- if hasKey .own "replicas" }}{{ $_ := set .object.spec "replicas" .own.replicas }}{{ end -}}
{{- with $values.imagePullSecrets }}{{ $_ := set $pod "imagePullSecrets" . }}{{ end -}}
{{- with $values.tolerations }}{{ $_ := set $pod "tolerations" . }}{{ end -}}
{{- with $values.affinity }}{{ $_ := set $pod "affinity" . }}{{ end -}}
{{- $_ := set $pod "nodeSelector" (merge (dict) $values.nodeSelector $pod.nodeSelector) -}}
{{- with ternary "registryhub" $values.priorityClassName $values.components.priority -}}
{{- $_ := set $pod "priorityClassName" . -}}
{{- end -}}
{{- $metadata := $template.metadata -}}
{{- $_ := set $metadata "labels" (merge (dict) $metadata.labels $values.podLabels) -}}
{{- $_ := set $metadata "annotations" (merge (dict) $metadata.annotations $values.podAnnotations) -}}
{{- end }}
