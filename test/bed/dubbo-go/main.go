// A dubbo-go provider that registers its application and no interface. SIGTERM deregisters it.
//
// The address it registers comes from the environment variable DUBBO_IP_TO_REGISTRY. Nacos' client keeps its files in the
// current folder.
package main

import (
	"context"
	"flag"

	"dubbo.apache.org/dubbo-go/v3"
	"dubbo.apache.org/dubbo-go/v3/common/constant"
	_ "dubbo.apache.org/dubbo-go/v3/filter/echo"
	_ "dubbo.apache.org/dubbo-go/v3/filter/graceful_shutdown"
	_ "dubbo.apache.org/dubbo-go/v3/metadata/mapping/metadata"
	_ "dubbo.apache.org/dubbo-go/v3/metadata/report/nacos"
	_ "dubbo.apache.org/dubbo-go/v3/metadata/report/zookeeper"
	"dubbo.apache.org/dubbo-go/v3/protocol"
	_ "dubbo.apache.org/dubbo-go/v3/protocol/dubbo"
	_ "dubbo.apache.org/dubbo-go/v3/protocol/triple"
	_ "dubbo.apache.org/dubbo-go/v3/proxy/proxy_factory"
	"dubbo.apache.org/dubbo-go/v3/registry"
	_ "dubbo.apache.org/dubbo-go/v3/registry/nacos"
	_ "dubbo.apache.org/dubbo-go/v3/registry/protocol"
	_ "dubbo.apache.org/dubbo-go/v3/registry/servicediscovery"
	_ "dubbo.apache.org/dubbo-go/v3/registry/zookeeper"
	"dubbo.apache.org/dubbo-go/v3/server"
)

// Greeter is exported because dubbo-go serves nothing else.
type Greeter struct{}

// SayHello is what the service offers.
func (*Greeter) SayHello(_ context.Context, name string) (string, error) {
	return "Hello " + name, nil
}

// Reference names the service.
func (*Greeter) Reference() string {
	return "org.apache.dubbo.samples.api.GreetingService"
}

func main() {
	kind := flag.String("registry", "", "nacos or zookeeper")
	address := flag.String("address", "", "<host>:<port> of the registry")
	username := flag.String("username", "", "of the registry's user")
	password := flag.String("password", "", "of the registry's user")
	registryGroup := flag.String("registry-group", "", "below which it registers")
	application := flag.String("application", "demo-application", "name of the application")
	protocolName := flag.String("protocol", constant.TriProtocol, "dubbo or tri")
	port := flag.Int("port", 20000, "where it listens and what it registers")
	version := flag.String("version", "", "of the service")
	group := flag.String("group", "", "of the service")
	remote := flag.Bool("remote-metadata", false, "keep the metadata in the registry")
	flag.Parse()

	options := []dubbo.InstanceOption{
		dubbo.WithName(*application),
		dubbo.WithRegistry(
			registry.WithGroup(*registryGroup),
			registry.WithRegistry(*kind),
			registry.WithAddress(*address), // without a scheme, which the metadata's client does not understand
			registry.WithUsername(*username),
			registry.WithPassword(*password),
			registry.WithRegisterService(),
			registry.WithParams(map[string]string{
				constant.NacosCacheDirKey: "cache", // otherwise beside this program
				constant.NacosLogDirKey:   "log",
			}),
		),
		dubbo.WithProtocol(protocol.WithProtocol(*protocolName), protocol.WithPort(*port)),
	}
	if *remote {
		options = append(options, dubbo.WithRemoteMetadata())
	}
	must(serve(options, server.WithVersion(*version), server.WithGroup(*group)))
}

func serve(options []dubbo.InstanceOption, service ...server.ServiceOption) error {
	instance, err := dubbo.NewInstance(options...)
	if err != nil {
		return err
	}
	provider, err := instance.NewServer()
	if err != nil {
		return err
	}
	if err := provider.RegisterService(&Greeter{}, service...); err != nil {
		return err
	}
	return provider.Serve()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
