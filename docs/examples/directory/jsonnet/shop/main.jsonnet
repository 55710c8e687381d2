local web = import 'web.libsonnet';
local kube = import 'kube/kube.libsonnet';

function(greeting, replicas) [
  kube.configMap('settings', { greeting: greeting, replicas: std.toString(replicas), terms: importstr 'terms.txt' }),
  web.service(std.extVar('ports')),
]
