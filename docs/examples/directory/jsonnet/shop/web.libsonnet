local kube = import 'kube/kube.libsonnet';

{
  service(ports): kube.named('v1', 'Service', 'web') {
    spec: {
      selector: { app: 'web' },
      ports: [{ name: name, port: ports[name] } for name in std.objectFields(ports)],
    },
  },
}
