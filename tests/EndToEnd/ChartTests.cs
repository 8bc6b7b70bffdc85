using System.Diagnostics;
using System.Text.Json.Nodes;
using Bursar.Agent.Scrape;
using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Scaling.Signals;
using Bursar.Sandbox.ApiServer;

namespace Bursar.Tests.EndToEnd;

/// <summary>The chart as Helm reads it. What a cluster makes of it is tried where an API server runs.</summary>
public sealed class ChartTests
{
    private const string Image = "image.repository=registry.example/bursar";

    [SkippableFact]
    public async Task Lint_is_clean()
    {
        var (code, output) = await Helm("lint", Chart, "--strict", "--set", Image);
        code.Should().Be(0, "{0}", output);
    }

    [SkippableFact]
    public async Task Values_in_the_documents_are_accepted()
    {
        var blocks = DocumentExampleTests
            .YamlBlocks()
            .Where(block => block.Yaml.StartsWith("operator:", StringComparison.Ordinal))
            .ToArray();

        blocks.Should().HaveCountGreaterThan(2);
        foreach (var (page, yaml) in blocks)
        {
            var file = Path.GetTempFileName();
            await File.WriteAllTextAsync(file, yaml);
            var (code, output) = await Helm("template", "bursar", Chart, "--namespace", "bursar-system", "--set", Image, "--values", file);
            File.Delete(file);
            code.Should().Be(0, "{0}: {1}", page, output);
        }
    }

    [SkippableFact]
    public async Task Template_without_an_image_fails_and_names_the_value()
    {
        var (code, output) = await Helm("template", "bursar", Chart, "--namespace", "bursar-system");
        code.Should().NotBe(0);
        output.Should().Contain("image.repository is required");
    }

    [SkippableTheory]
    [InlineData("operator.replicas=many", "replicas")]
    [InlineData("agent.journal.hostPath=relative", "hostPath")]
    [InlineData("agent.servers[0].server=ours", "servers")]
    [InlineData("agent.servers[0].promt[0]=a", "promt")]
    [InlineData("agent.servers[0].firstToken[0]=a b", "firstToken")]
    [InlineData("operator.prometheus[0].name=main", "prometheus")]
    [InlineData("operator.prometheus[0].address=http://user@host", "prometheus")]
    [InlineData("agent.dcgmExporter=node:9400", "dcgmExporter")]
    [InlineData("operator.dcgmExporters[0].namespace=gpu-operator", "dcgmExporters")]
    [InlineData("gpuResources[0]=a gpu", "gpuResources")]
    [InlineData("gpuResources[0]=-gpu", "gpuResources")]
    [InlineData("agnet.enabled=false", "agnet")]
    [InlineData("enabled=maybe", "enabled")]
    [InlineData("image.digest=latest", "digest")]
    [InlineData("image.repository=registry.example/bursar:v1", "repository")]
    [InlineData("agent.image.repository=bursar-agent:v1", "repository")]
    [InlineData("agent.image.digest=sha256:0", "digest")]
    [InlineData("guard.enabled=maybe", "guard")]
    [InlineData("guard.mode=warn", "mode")]
    [InlineData("operator.logFormat=xml", "logFormat")]
    [InlineData("grafana.url=grafana.example", "url")]
    [InlineData("grafana.dashboards.label=x", "label")]
    [InlineData("agent.namespace=bursar-system", "agent.namespace must not be the release's own")]
    [InlineData("admission.creatorLabel=true,admission.enabled=false", "admission.creatorLabel needs admission.enabled")]
    public async Task Impossible_values_are_refused(string value, string word)
    {
        var (code, output) = await Helm("template", "bursar", Chart, "--namespace", "bursar-system", "--set", Image, "--set", value);
        code.Should().NotBe(0);
        output.Should().Contain(word);
    }

    [SkippableFact]
    public async Task Chart_contains_no_custom_resources_and_keeps_its_CRDs()
    {
        var (code, output) = await Helm("template", "bursar", Chart, "--namespace", "bursar-system", "--set", Image);
        code.Should().Be(0, "{0}", output);
        var documents = output.Split("\n---\n");
        documents.Should().NotContain(d => d.Contains("\napiVersion: bursar.dev/", StringComparison.Ordinal));
        var definitions = documents.Where(d => d.Contains("\nkind: CustomResourceDefinition\n", StringComparison.Ordinal)).ToList();
        definitions.Should().HaveCount(6).And.OnlyContain(d => d.Contains("helm.sh/resource-policy: keep", StringComparison.Ordinal));
    }

    /// <summary>A parent chart decides by a value whether it wants this one; under an alias the value has another name.</summary>
    [SkippableTheory]
    [InlineData(null, true)]
    [InlineData(null, false)]
    [InlineData("gpu", true)]
    [InlineData("gpu", false)]
    public async Task Dependency_with_a_condition_is_rendered_only_if_the_condition_is_true(string? alias, bool enabled)
    {
        var name = alias ?? "gpu-budget-operator";
        using var parent = ParentChart.Create(alias);
        var (code, output) = await Helm(
            "template",
            "platform",
            parent.Path,
            "--namespace",
            "platform",
            "--set",
            $"{name}.enabled={(enabled ? "true" : "false")},{name}.{Image},global.region=eu"
        );
        code.Should().Be(0, "{0}", output);
        (output.Contains("kind: Deployment", StringComparison.Ordinal), output.Contains("gpubudgets.bursar.dev", StringComparison.Ordinal))
            .Should()
            .Be((enabled, enabled));
        (await Helm("lint", parent.Path, "--set", $"{name}.enabled={(enabled ? "true" : "false")},{name}.{Image}")).Code.Should().Be(0);
    }

    /// <summary>A parent chart that is not wanted here asks for no image either.</summary>
    [SkippableFact]
    public async Task Disabled_dependency_needs_no_values()
    {
        using var parent = ParentChart.Create(alias: null);
        var (code, output) = await Helm("template", "platform", parent.Path, "--set", "gpu-budget-operator.enabled=false");
        code.Should().Be(0, "{0}", output);
    }

    [SkippableFact]
    public async Task Images_are_pinned_by_their_digests()
    {
        string operatorDigest = $"sha256:{new string('a', 64)}",
            agentDigest = $"sha256:{new string('b', 64)}";
        var documents = await DocumentsAsync("--set", $"image.digest={operatorDigest},agent.image.digest={agentDigest}");

        var images = documents
            .Where(d => (string)d["kind"]! is "Deployment" or "DaemonSet" or "Job")
            .Select(d => ((string)d["metadata"]!["name"]!, (string)d["spec"]!["template"]!["spec"]!["containers"]![0]!["image"]!));
        images
            .Should()
            .BeEquivalentTo([
                ("bursar", $"registry.example/bursar@{operatorDigest}"),
                ("bursar-release", $"registry.example/bursar@{operatorDigest}"),
                ("bursar-agent", $"registry.example/bursar-agent@{agentDigest}"),
            ]);
    }

    [SkippableFact]
    public async Task Release_hook_is_left_out_when_hooks_are_disabled()
    {
        var documents = await DocumentsAsync("--no-hooks");
        documents
            .Should()
            .NotBeEmpty()
            .And.NotContain(d => ((string)d["metadata"]!["name"]!).StartsWith("bursar-release", StringComparison.Ordinal));
    }

    [SkippableFact]
    public async Task Release_hook_runs_after_the_deletion_with_the_rights_of_the_operator()
    {
        var documents = await DocumentsAsync();
        var hooks = documents.Where(d => d["metadata"]!["annotations"]?["helm.sh/hook"] is not null).ToArray();
        hooks
            .Where(d => (string)d["metadata"]!["annotations"]!["helm.sh/hook"]! != "test")
            .Should()
            .OnlyContain(d => (string)d["metadata"]!["annotations"]!["helm.sh/hook"]! == "post-delete");
        JsonNode Role(string kind, string name) =>
            documents.Single(d =>
                (string)d["kind"]! == kind
                && (string)d["metadata"]!["name"]! == name
                && (string?)d["metadata"]!["namespace"] is null or "bursar-system"
            )["rules"]!;
        foreach (var kind in (string[])["ClusterRole", "Role"])
            JsonNode.DeepEquals(Role(kind, "bursar-release"), Role(kind, "bursar")).Should().BeTrue();
        var job = hooks.Single(d => (string)d["kind"]! == "Job")["spec"]!;
        job["template"]!["spec"]!["containers"]![0]!["args"]!.AsArray().Select(a => (string)a!).Should().Contain("--if-uninstalled");
        ((long)job["activeDeadlineSeconds"]!).Should().BeLessThan(300, "helm waits 300 seconds and would report its own timeout instead");
    }

    [SkippableFact]
    public async Task Agent_has_no_token_and_no_rights()
    {
        var (_, output) = await Helm("template", "bursar", Chart, "--namespace", "bursar-system", "--set", Image);
        var documents = output.Split("\n---\n");
        documents
            .Single(d => d.Contains("\nkind: DaemonSet\n", StringComparison.Ordinal))
            .Should()
            .Contain("automountServiceAccountToken: false");
        documents
            .Where(d => d.Contains("Binding\n", StringComparison.Ordinal))
            .Should()
            .NotBeEmpty()
            .And.NotContain(d => d.Contains("name: bursar-agent", StringComparison.Ordinal));
    }

    [SkippableFact]
    public async Task Prometheus_sources_reach_the_operator_and_their_secrets_are_mounted()
    {
        var (code, output) = await Helm(
            "template",
            "bursar",
            Chart,
            "--namespace",
            "bursar-system",
            "--set",
            Image,
            "--set-json",
            """operator.prometheus=[{"name":"main","address":"https://prometheus.monitoring:9090","serverName":"p.example","caSecret":{"name":"ca","key":"root.pem"},"clientSecret":{"name":"client"},"bearerTokenSecret":{"name":"tok","key":"t"}},{"name":"plain","address":"http://vm:8428/select/0/prometheus","basicAuthSecret":{"name":"login"}}]"""
        );
        code.Should().Be(0, "{0}", output);
        var documents = output.Split("\n---\n");
        var data =
            (Dictionary<object, object>)
                new YamlDotNet.Serialization.DeserializerBuilder()
                    .Build()
                    .Deserialize<Dictionary<string, object>>(
                        documents.Single(d =>
                            d.Contains("name: bursar-prometheus", StringComparison.Ordinal)
                            && d.Contains("\nkind: ConfigMap\n", StringComparison.Ordinal)
                        )
                    )["data"];
        var sources = PrometheusSourceList.Read(System.Text.Encoding.UTF8.GetBytes((string)data["prometheus.json"]));
        sources["main"]
            .Should()
            .Be(
                new PrometheusSource
                {
                    Name = "main",
                    Address = "https://prometheus.monitoring:9090",
                    ServerName = "p.example",
                    CaFile = "/etc/bursar/prometheus/main/ca.crt",
                    CertFile = "/etc/bursar/prometheus/main/tls.crt",
                    KeyFile = "/etc/bursar/prometheus/main/tls.key",
                    BearerTokenFile = "/etc/bursar/prometheus/main/token",
                }
            );
        sources["plain"].PasswordFile.Should().Be("/etc/bursar/prometheus/plain/password");
        var deployment = documents.Single(d => d.Contains("\nkind: Deployment\n", StringComparison.Ordinal));
        deployment
            .Should()
            .Contain("--prometheus-sources=/etc/bursar/sources/prometheus.json")
            .And.Contain("mountPath: /etc/bursar/prometheus/main,")
            .And.Contain("items: [{key: root.pem, path: ca.crt}]")
            .And.Contain("mountPath: /etc/bursar/prometheus/plain,");
    }

    [SkippableFact]
    public async Task Map_of_model_servers_reaches_the_agent_as_it_reads_it()
    {
        var (code, output) = await Helm(
            "template",
            "bursar",
            Chart,
            "--namespace",
            "bursar-system",
            "--set",
            Image,
            "--set-json",
            """agent.servers=[{"server": "ours", "modelLabel": "model", "prompt": ["ours_total{direction=\"in\"}"], "generated": ["ours_total{direction=\"out\"}"]}]"""
        );
        code.Should().Be(0, "{0}", output);

        var map = output
            .Split("\n---\n")
            .Single(d =>
                d.Contains("\nkind: ConfigMap\n", StringComparison.Ordinal)
                && d.Contains("name: bursar-agent-servers", StringComparison.Ordinal)
            );
        var data =
            (Dictionary<object, object>)
                new YamlDotNet.Serialization.DeserializerBuilder().Build().Deserialize<Dictionary<string, object>>(map)["data"];
        var server = ServingMap.Read(System.Text.Encoding.UTF8.GetBytes((string)data["servers.json"])).Should().ContainSingle().Subject;
        server.ModelLabel.Should().Be("model");
        server.Generated.Should().ContainSingle().Which.Should().Equal(new MetricName("ours_total", "direction", "out"));
        output.Should().Contain("--servers=/etc/bursar-agent/servers/servers.json").And.Contain("mountPath: /etc/bursar-agent/servers");
    }

    [SkippableFact]
    public async Task Extra_GPU_resources_and_the_node_exporter_reach_operator_and_agent()
    {
        var (code, output) = await Helm(
            "template",
            "bursar",
            Chart,
            "--namespace",
            "bursar-system",
            "--set",
            Image,
            "--set-json",
            """gpuResources=["example.com/*-card", "!nvidia.com/fake", "gpu.example.com", "gpu", "!nic"]""",
            "--set",
            "agent.dcgmExporter=http://$(HOST_IP):9400/metrics"
        );
        code.Should().Be(0, "{0}", output);

        output
            .Split("- \"--gpu-resources=example.com/*-card,!nvidia.com/fake,gpu.example.com,gpu,!nic\"")
            .Should()
            .HaveCount(3, "the operator and the agents share one table");
        output.Should().Contain("- \"--dcgm-exporter=http://$(HOST_IP):9400/metrics\"").And.Contain("fieldPath: status.hostIP");
    }

    [SkippableFact]
    public async Task Exporters_that_are_read_on_nodes_without_an_agent_reach_the_operator()
    {
        var (code, output) = await Helm(
            "template",
            "bursar",
            Chart,
            "--namespace",
            "bursar-system",
            "--set",
            Image,
            "--set-json",
            """operator.dcgmExporters=[{"namespace": "gpu-operator", "labels": {"app": "nvidia-dcgm-exporter"}}, {"namespace": "monitoring", "labels": {"tier": "gpu", "app.kubernetes.io/name": "dcgm-exporter"}}]"""
        );
        code.Should().Be(0, "{0}", output);

        output
            .Should()
            .Contain(
                "- \"--dcgm-exporters=gpu-operator/app=nvidia-dcgm-exporter;monitoring/app.kubernetes.io/name=dcgm-exporter,tier=gpu\""
            );
    }

    [SkippableFact]
    public async Task Guard_is_on_by_default_and_matches_only_the_resources_it_protects()
    {
        var guard = await DocumentsAsync();

        var policies = guard
            .Where(d => (string)d["kind"]! == "ValidatingAdmissionPolicy")
            .ToDictionary(d => (string)d["metadata"]!["name"]!, d => d["spec"]!);
        EntityKind[] guarded = [.. WorkloadKinds.All.Select(kind => kind.Entity), V1Workload.EntityKind, V1ScaledObject.EntityKind];
        policies
            .Keys.Should()
            .BeEquivalentTo(
                [
                    "bursar-guard-budgets",
                    "bursar-guard-cluster-budgets",
                    "bursar-guard-requests",
                    "bursar-guard-cronjobs",
                    .. WorkloadKinds.All.Where(kind => kind.Scales).Select(kind => $"bursar-guard-{kind.Entity.Plural}-scale"),
                    .. WorkloadKinds.All.Where(kind => kind.Scales).Select(kind => $"bursar-guard-{kind.Entity.Plural}-cluster-scale"),
                    .. guarded.Select(entity => $"bursar-guard-{entity.Plural}"),
                ],
                "each kind that can be suspended, directly or through its manager, has its line in the chart's bursar.guardedWorkloads"
            );
        guard
            .Where(d => (string)d["kind"]! == "ValidatingAdmissionPolicyBinding")
            .Select(d => ((string)d["spec"]!["policyName"]!, d["spec"]!["validationActions"]!.ToJsonString()))
            .Should()
            .BeEquivalentTo(policies.Keys.Select(name => (name, "[\"Deny\"]")));
        policies
            .ToDictionary(
                p => p.Key,
                p =>
                    string.Join(
                        ' ',
                        p.Value["matchConstraints"]!["resourceRules"]!
                            .AsArray()
                            .Select(r => $"{r!["apiGroups"]![0]} {r["resources"]!.ToJsonString()} {r["operations"]!.ToJsonString()}")
                    )
            )
            .Should()
            .BeEquivalentTo(
                new Dictionary<string, string>(
                    guarded.Select(entity =>
                        KeyValuePair.Create($"bursar-guard-{entity.Plural}", $"""{entity.Group} ["{entity.Plural}"] ["CREATE","UPDATE"]""")
                    )
                )
                {
                    ["bursar-guard-budgets"] = """bursar.dev ["gpubudgets"] ["UPDATE","DELETE"]""",
                    ["bursar-guard-cluster-budgets"] = """bursar.dev ["clustergpubudgets"] ["UPDATE","DELETE"]""",
                    ["bursar-guard-requests"] = """bursar.dev ["gpubudgetrequests","gpubudgetrequests/status"] ["CREATE","UPDATE"]""",
                    ["bursar-guard-cronjobs"] = """batch ["cronjobs"] ["CREATE","UPDATE"]""",
                    ["bursar-guard-deployments-scale"] = """apps ["deployments","deployments/scale"] ["UPDATE"]""",
                    ["bursar-guard-deployments-cluster-scale"] = """apps ["deployments","deployments/scale"] ["UPDATE"]""",
                    ["bursar-guard-statefulsets-scale"] = """apps ["statefulsets","statefulsets/scale"] ["UPDATE"]""",
                    ["bursar-guard-statefulsets-cluster-scale"] = """apps ["statefulsets","statefulsets/scale"] ["UPDATE"]""",
                    ["bursar-guard-leaderworkersets-scale"] =
                        """leaderworkerset.x-k8s.io ["leaderworkersets","leaderworkersets/scale"] ["UPDATE"]""",
                    ["bursar-guard-leaderworkersets-cluster-scale"] =
                        """leaderworkerset.x-k8s.io ["leaderworkersets","leaderworkersets/scale"] ["UPDATE"]""",
                }
            );
        foreach (var (name, policy) in policies)
        {
            // Work runs on when a policy errs; a limit stays.
            ((string)policy["failurePolicy"]!)
                .Should()
                .Be(name is "bursar-guard-budgets" or "bursar-guard-cluster-budgets" or "bursar-guard-requests" ? "Fail" : "Ignore");
            var passes = policy["matchConditions"]!.AsArray().Select(c => (string)c!["expression"]!).ToArray();
            passes[0]
                .Should()
                .Be(
                    "!(request.userInfo.username in ['system:serviceaccount:bursar-system:bursar', 'system:serviceaccount:bursar-system:bursar-release'])"
                );
            passes[1].Should().Contain("'system:serviceaccounts:kube-system' in request.userInfo.groups");
            // 403, not 422: the operator takes 422 for a concurrent write.
            policy["validations"]!.AsArray().Should().OnlyContain(v => (string)v!["reason"]! == "Forbidden");
        }
        foreach (var kind in WorkloadKinds.All.Where(kind => !kind.Serves))
        {
            var expression = (string)policies[$"bursar-guard-{kind.Entity.Plural}"]["validations"]![0]!["expression"]!;
            expression.Should().Contain($"object{kind.Field.Replace('/', '.')}", "it is the field that Bursar writes");
        }
        foreach (var kind in guarded)
        {
            (
                (string)
                    policies[$"bursar-guard-{kind.Plural}"]["validations"]!
                        .AsArray()
                        .Select(v => v!["expression"])
                        .Single(e => ((string)e!).Contains(BursarAnnotations.Resume, StringComparison.Ordinal))!
            )
                .Should()
                .Contain("variables.mayOverride");
            var trains = WorkloadKinds.All.Any(known => known.Entity == kind && known.Class == WorkloadClass.Training);
            policies[$"bursar-guard-{kind.Plural}"]["validations"]!
                .AsArray()
                .Any(v => ((string)v!["expression"]!).Contains("!variables.notTraining", StringComparison.Ordinal))
                .Should()
                .Be(trains, "{0}: a kind that trains is not taken out of suspension by its class", kind.Kind);
        }
        foreach (var annotation in (string[])[BursarAnnotations.SuspendedBy, BursarAnnotations.SuspendedReason])
            ((string)policies["bursar-guard-jobs"]["variables"]!.AsArray().Single(v => (string)v!["name"]! == "changed")!["expression"]!)
                .Should()
                .Contain($"'{annotation}'");
    }

    [SkippableFact]
    public async Task Right_to_override_is_aggregated_to_nothing()
    {
        var role = (await DocumentsAsync()).Single(d =>
            (string)d["kind"]! == "ClusterRole" && (string)d["metadata"]!["name"]! == "bursar-override"
        );
        role["rules"]!
            .ToJsonString()
            .Should()
            .Be("""[{"apiGroups":["bursar.dev"],"resources":["gpubudgets","clustergpubudgets"],"verbs":["override"]}]""");
        role["metadata"]!["labels"]!
            .AsObject()
            .Select(l => l.Key)
            .Should()
            .NotContain(l => l.Contains("aggregate-to", StringComparison.Ordinal));
        role["aggregationRule"].Should().BeNull();
    }

    [SkippableFact]
    public async Task Guard_is_left_out_by_one_value() =>
        (await DocumentsAsync("--set", "guard.enabled=false"))
            .Should()
            .NotBeEmpty()
            .And.NotContain(d =>
                ((string)d["kind"]!).StartsWith("ValidatingAdmission", StringComparison.Ordinal)
                || (string)d["metadata"]!["name"]! == "bursar-override"
            );

    [SkippableFact]
    public async Task Extra_values_reach_operator_agent_and_objects()
    {
        var documents = await DocumentsAsync(
            "--set",
            "crds.keep=false,serviceAccount.create=false,serviceAccount.name=gpu,commonLabels.team=ml,serviceMonitor.enabled=true",
            "--set",
            "prometheusRule.enabled=true,prometheusRule.runbookUrl=https://wiki.example/runbook.md",
            "--set-json",
            """operator.extraArgs=["--kubeconfig=/k"]""",
            "--set-json",
            """operator.extraEnv=[{"name":"HTTPS_PROXY","value":"http://proxy:3128"}]""",
            "--set-json",
            """agent.extraArgs=["--sample-interval=2s"]""",
            "--set-json",
            """agent.extraEnv=[{"name":"TZ","value":"UTC"}]""",
            "--set-json",
            """operator.topologySpreadConstraints=[{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"ScheduleAnyway"}]""",
            "--set-json",
            """extraObjects=[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"{{ .Release.Name }}-extra"}}]""",
            "--set-json",
            """serviceMonitor.relabelings=[{"action":"labeldrop","regex":"pod"}]""",
            "--set-json",
            """serviceMonitor.metricRelabelings=[{"action":"labeldrop","regex":"node"}]"""
        );
        JsonNode One(string kind, string name) =>
            documents.Single(d => (string)d["kind"]! == kind && (string)d["metadata"]!["name"]! == name);

        var operatorPod = One("Deployment", "bursar")["spec"]!["template"]!["spec"]!;
        ((string)operatorPod["serviceAccountName"]!).Should().Be("gpu");
        ((string)operatorPod["topologySpreadConstraints"]![0]!["topologyKey"]!).Should().Be("zone");
        operatorPod["containers"]![0]!["args"]!.ToJsonString().Should().Contain("--kubeconfig=/k");
        operatorPod["containers"]![0]!["env"]!.ToJsonString().Should().Contain("HTTPS_PROXY");
        var agent = One("DaemonSet", "bursar-agent")["spec"]!["template"]!["spec"]!["containers"]![0]!;
        agent["args"]!.ToJsonString().Should().Contain("--sample-interval=2s");
        agent["env"]!.ToJsonString().Should().Contain("\"TZ\"");
        One("ConfigMap", "bursar-extra").Should().NotBeNull();
        documents
            .Where(d => (string)d["kind"]! == "ServiceAccount")
            .Select(d => (string)d["metadata"]!["name"]!)
            .Should()
            .BeEquivalentTo("bursar-agent", "bursar-release");
        One("ClusterRoleBinding", "bursar")["subjects"]![0]!["name"]!.GetValue<string>().Should().Be("gpu");
        documents
            .Where(d => (string)d["kind"]! == "ValidatingAdmissionPolicy")
            .Should()
            .OnlyContain(d =>
                d["spec"]!["matchConditions"]!.ToJsonString().Contains("serviceaccount:bursar-system:gpu", StringComparison.Ordinal)
            );
        documents
            .Where(d => (string)d["kind"]! == "CustomResourceDefinition")
            .Should()
            .HaveCount(6)
            .And.OnlyContain(d => d["metadata"]!["annotations"] == null);
        documents
            .Where(d => d["metadata"]!["labels"] is not null)
            .Should()
            .OnlyContain(d => (string?)d["metadata"]!["labels"]!["team"] == "ml");
        foreach (var name in (string[])["bursar", "bursar-agent"])
        {
            var endpoint = One("ServiceMonitor", name)["spec"]!["endpoints"]![0]!;
            ((string)endpoint["relabelings"]![0]!["regex"]!).Should().Be("pod");
            ((string)endpoint["metricRelabelings"]![0]!["regex"]!).Should().Be("node");
        }
        One("PrometheusRule", "bursar")["spec"]!["groups"]![0]!["rules"]!
            .AsArray()
            .Should()
            .OnlyContain(rule =>
                (string)rule!["annotations"]!["runbook_url"]!
                == $"https://wiki.example/runbook.md#{((string)rule["alert"]!).ToLowerInvariant()}"
            );
    }

    [SkippableFact]
    public async Task Alerts_fire_after_their_time_and_clear()
    {
        var tests = Path.Combine(RepositoryRoot(), "tests/EndToEnd/Chart/prometheus-rules.test.yaml");
        await PromtoolAsync(tests);

        var rules = await File.ReadAllTextAsync(Path.Combine(Chart, "files", "prometheus-rules.yaml"));
        var tested = await File.ReadAllTextAsync(tests);
        foreach (var line in rules.Split('\n').Where(line => line.Contains("- alert: ", StringComparison.Ordinal)))
            tested.Should().Contain($"alertname=\"{line.Split(": ")[1]}\"");
    }

    [SkippableFact]
    public async Task Alerts_link_to_their_section_and_to_the_dashboard_of_their_budget()
    {
        var rule = (
            await DocumentsAsync(
                "--set",
                "prometheusRule.enabled=true,prometheusRule.runbookUrl=https://wiki.example/alerts.md,grafana.url=https://grafana.example/"
            )
        ).Single(d => (string)d["kind"]! == "PrometheusRule");
        var folder = Directory.CreateTempSubdirectory("bursar-rules-").FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "rules.yaml"), rule["spec"]!.ToJsonString());
        var tests = Path.Combine(folder, "links.test.yaml");
        File.Copy(Path.Combine(RepositoryRoot(), "tests/EndToEnd/Chart/prometheus-rules-links.test.yaml"), tests);

        await PromtoolAsync(tests);

        Directory.Delete(folder, recursive: true);
    }

    [SkippableFact]
    public async Task Alerts_have_no_links_by_default() =>
        (await DocumentsAsync("--set", "prometheusRule.enabled=true")).Single(d => (string)d["kind"]! == "PrometheusRule")["spec"]![
            "groups"
        ]![0]!["rules"]!
            .AsArray()
            .Should()
            .NotBeEmpty()
            .And.OnlyContain(rule => rule!["annotations"]!["dashboard_url"] == null && rule["annotations"]!["runbook_url"] == null);

    [SkippableFact]
    public async Task Dashboards_are_ConfigMaps_for_the_sidecar_of_Grafana()
    {
        (await DocumentsAsync())
            .Should()
            .NotContain(d => ((string)d["metadata"]!["name"]!).Contains("dashboard", StringComparison.Ordinal));
        var maps = (
            await DocumentsAsync(
                "--set",
                "grafana.dashboards.enabled=true,grafana.dashboards.namespace=monitoring,grafana.dashboards.annotations.grafana_folder=GPUs",
                "--set-json",
                """grafana.dashboards.labels={"grafana_dashboard": null, "dashboards": "yes"}"""
            )
        )
            .Where(d => (string)d["kind"]! == "ConfigMap")
            .ToArray();

        maps.Select(m => (string)m["metadata"]!["name"]!)
            .Should()
            .BeEquivalentTo("bursar-dashboard-overview", "bursar-dashboard-budget", "bursar-dashboard-scaling", "bursar-dashboard-fleet");
        foreach (var map in maps)
        {
            ((string)map["metadata"]!["namespace"]!).Should().Be("monitoring");
            ((string)map["metadata"]!["annotations"]!["grafana_folder"]!).Should().Be("GPUs");
            ((string)map["metadata"]!["labels"]!["dashboards"]!).Should().Be("yes");
            map["metadata"]!["labels"]!["grafana_dashboard"].Should().BeNull();
            var (file, text) = map["data"]!.AsObject().Single();
            var original = await File.ReadAllTextAsync(Path.Combine(Chart, "files", "dashboards", file["bursar-".Length..]));
            JsonNode.DeepEquals(JsonNode.Parse((string)text!), JsonNode.Parse(original)).Should().BeTrue("Helm leaves its braces alone");
        }
    }

    private static async Task PromtoolAsync(string tests)
    {
        var tool = Environment.GetEnvironmentVariable("BURSAR_PROMTOOL") ?? Path.Combine(RepositoryRoot(), ".tools", "promtool");
        Skip.IfNot(File.Exists(tool), "no promtool: make tools unpacks it");
        var start = new ProcessStartInfo(tool, ["test", "rules", tests]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();

        process.ExitCode.Should().Be(0, "{0}{1}", await output, await error);
    }

    /// <summary>All documents of the chart.</summary>
    private static async Task<JsonNode[]> DocumentsAsync(params string[] arguments)
    {
        var (code, output) = await Helm(["template", "bursar", Chart, "--namespace", "bursar-system", "--set", Image, .. arguments]);
        code.Should().Be(0, "{0}", output);
        return [.. output.Split("\n---\n").Select(text => YamlBody.Parse(text)).OfType<JsonObject>()];
    }

    private static string Chart => Path.Combine(RepositoryRoot(), "charts", "gpu-budget-operator");

    private static async Task<(int Code, string Output)> Helm(params string[] arguments)
    {
        var helm = Environment.GetEnvironmentVariable("BURSAR_HELM") ?? Path.Combine(RepositoryRoot(), ".tools", "helm");
        Skip.IfNot(File.Exists(helm), "no helm: make tools unpacks it");
        var start = new ProcessStartInfo(helm, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, await output + await error);
    }

    private static string RepositoryRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "Operator.sln")))
                return folder.FullName;
        throw new InvalidOperationException("not run from within the repository");
    }
}
