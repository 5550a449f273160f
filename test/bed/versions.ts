/** What the bed runs, besides what the poms below java/ say. The Kubernetes programs are built as kube/go.mod pins them. */
export const versions = {
  kubernetes: "1.36.3",
  etcd: "3.6.8",
  istioApi: "1.31.1",
  prometheusOperator: "0.92.1",
} as const;
