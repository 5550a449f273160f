// flux-health judges the JSON object on stdin as Flux' controllers do, and prints the answers as JSON: `kstatus` without anything
// said about its kind, `expressions` by the healthCheckExprs that are its argument, as JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func main() {
	if err := judge(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func judge(text string) error {
	var checks []kustomize.CustomHealthCheck
	if err := json.Unmarshal([]byte(text), &checks); err != nil {
		return err
	}
	newReader, err := cel.NewStatusReader(checks)
	if err != nil {
		return err
	}
	object := &unstructured.Unstructured{}
	if err := json.NewDecoder(os.Stdin).Decode(object); err != nil {
		return err
	}
	plain, err := status.Compute(object)
	if err != nil {
		return err
	}
	// Neither the mapper nor a cluster is asked about an object that is here.
	judged, err := newReader(nil).ReadStatusForObject(context.Background(), nil, object)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]status.Status{"kstatus": plain.Status, "expressions": judged.Status})
}
