{
  named(version, kind, name): {
    apiVersion: version,
    kind: kind,
    metadata: { name: name, labels: { team: std.extVar('team') } },
  },
  configMap(name, data): self.named('v1', 'ConfigMap', name) { data: data },
}
