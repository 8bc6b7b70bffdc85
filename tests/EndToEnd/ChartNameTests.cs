using System.Text.Json.Nodes;
using Bursar.Sandbox.ApiServer;

namespace Bursar.Tests.EndToEnd;

/// <summary>The chart's objects refer to each other by name, by label and in arguments. All references follow the overridden names.</summary>
public sealed class ChartNameTests
{
    private const string Own = "bursar-system";
    private const string Agents = "bursar-agents";

    public static TheoryData<string, string, string> Names =>
        new()
        {
            { "fullnameOverride=", "bursar", "bursar" },
            { "nameOverride=acme", "acme", "acme" },
            { "fullnameOverride=gpu-costs", "bursar", "gpu-costs" },
            { "nameOverride=acme,fullnameOverride=gpu-costs", "acme", "gpu-costs" },
        };

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public async Task Objects_have_the_overridden_name_and_label(string set, string label, string name)
    {
        var documents = await DocumentsAsync(set);

        documents
            .Where(d => Kind(d) is not ("CustomResourceDefinition" or "Namespace"))
            .Should()
            .HaveCountGreaterThan(60)
            .And.OnlyContain(d => Name(d) == name || Name(d).StartsWith(name + "-", StringComparison.Ordinal));
        documents
            .Select(d => (string?)d["metadata"]!["labels"]?["app.kubernetes.io/name"])
            .Where(value => value is not null)
            .Distinct()
            .Should()
            .BeEquivalentTo(label, $"{label}-agent", $"{label}-release", $"{label}-test");
    }

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public async Task References_between_objects_resolve(string set, string label, string name)
    {
        _ = label;
        var documents = await DocumentsAsync(set);
        var there = documents
            .Select(d => $"{Kind(d)}/{(Namespace(d) is { } ns ? ns + "/" : "")}{Name(d)}")
            .ToHashSet(StringComparer.Ordinal);
        var wanted = new List<string>();
        foreach (var d in documents)
        {
            var ns = Namespace(d);
            if (d["roleRef"] is { } role)
                wanted.Add((string)role["kind"]! == "Role" ? $"Role/{ns}/{role["name"]}" : $"{role["kind"]}/{role["name"]}");
            foreach (var subject in d["subjects"]?.AsArray() ?? [])
                wanted.Add($"{subject!["kind"]}/{subject["namespace"]}/{subject["name"]}");
            foreach (var webhook in d["webhooks"]?.AsArray() ?? [])
                wanted.Add($"Service/{webhook!["clientConfig"]!["service"]!["namespace"]}/{webhook["clientConfig"]!["service"]!["name"]}");
            if (d["spec"]?["policyName"] is { } policy)
                wanted.Add($"ValidatingAdmissionPolicy/{policy}");
            if (PodSpec(d) is not { } pod)
                continue;
            wanted.Add($"ServiceAccount/{ns}/{pod["serviceAccountName"]}");
            foreach (var volume in pod["volumes"]?.AsArray() ?? [])
                if (volume!["configMap"]?["name"] is { } map)
                    wanted.Add($"ConfigMap/{ns}/{map}");
        }

        wanted.Should().HaveCountGreaterThan(50).And.Contain($"ServiceAccount/{Own}/{name}");
        wanted.Except(there).Should().BeEmpty();
    }

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public async Task Selectors_select_the_pods_of_one_workload(string set, string label, string name)
    {
        _ = name;
        var documents = await DocumentsAsync(set);
        var workloads = documents.Where(d => Kind(d) is "Deployment" or "DaemonSet").ToArray();
        var services = documents.Where(d => Kind(d) == "Service").ToArray();
        workloads.Should().HaveCount(2);
        string[] SelectedBy(JsonNode? selector, string? ns) =>
            [
                .. workloads
                    .Where(w => Namespace(w) == ns && Selects(selector, w["spec"]!["template"]!["metadata"]!["labels"]!))
                    .Select(w => Kind(w)),
            ];

        foreach (var service in services)
        {
            var selected = SelectedBy(service["spec"]!["selector"], Namespace(service))
                .Should()
                .ContainSingle("{0}", Name(service))
                .Subject;
            var ports = workloads.Single(w => Kind(w) == selected)["spec"]!["template"]!["spec"]!["containers"]![0]!["ports"]!
                .AsArray()
                .Select(p => (string)p!["name"]!);
            ports.Should().Contain((string)service["spec"]!["ports"]![0]!["targetPort"]!);
        }
        foreach (var d in documents.Where(d => Kind(d) is "Deployment" or "DaemonSet" or "PodDisruptionBudget"))
            SelectedBy(d["spec"]!["selector"]!["matchLabels"], Namespace(d)).Should().ContainSingle("{0}", Kind(d));
        var policies = documents.Where(d => Kind(d) == "NetworkPolicy").ToArray();
        policies.Should().HaveCount(2);
        foreach (var policy in policies)
            SelectedBy(policy["spec"]!["podSelector"]!["matchLabels"], Namespace(policy)).Should().ContainSingle("{0}", Name(policy));
        var ofOperator = policies.Single(p => Namespace(p) == Agents)["spec"]!["ingress"]![0]!["from"]![0]!["podSelector"]!["matchLabels"];
        SelectedBy(ofOperator, Own).Should().Equal("Deployment");
        var monitors = documents.Where(d => Kind(d) == "ServiceMonitor").ToArray();
        monitors.Should().HaveCount(2);
        foreach (var monitor in monitors)
            services
                .Where(s =>
                    Namespace(s) == Namespace(monitor)
                    && Selects(monitor["spec"]!["selector"]!["matchLabels"], s["metadata"]!["labels"]!)
                    && (string)s["spec"]!["ports"]![0]!["name"]! == (string)monitor["spec"]!["endpoints"]![0]!["port"]!
                )
                .Should()
                .ContainSingle("{0}", Name(monitor));
        workloads
            .Select(w => (string)w["spec"]!["template"]!["metadata"]!["labels"]!["app.kubernetes.io/name"]!)
            .Should()
            .BeEquivalentTo(label, $"{label}-agent");
    }

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public async Task Programs_and_policies_get_the_names_that_they_need(string set, string label, string name)
    {
        var documents = await DocumentsAsync(set);
        string[] Arguments(string kind) =>
            [.. PodSpec(One(documents, kind))!["containers"]![0]!["args"]!.AsArray().Select(a => (string)a!)];

        Arguments("Deployment").Should().Contain([$"--agent-name={label}-agent", $"--webhook-name={name}"]);
        Arguments("Job").Should().Contain(["--if-uninstalled", $"--deployment={Name(One(documents, "Deployment"))}"]);
        Name(One(documents, "MutatingWebhookConfiguration")).Should().Be(name);
        documents.Should().Contain(d => Kind(d) == "Service" && Name(d) == $"{name}-webhook");
        foreach (var role in documents.Where(d => Kind(d) == "ClusterRole" && (Name(d) == name || Name(d) == $"{name}-release")))
            role["rules"]!
                .AsArray()
                .Where(rule => rule!["resourceNames"] is not null)
                .Select(rule => $"{rule!["resources"]![0]} {rule["resourceNames"]!.ToJsonString()}")
                .Should()
                .Equal([$"mutatingwebhookconfigurations [\"{name}\"]"], "the objects of the chart have overridden names");
        documents.Single(d => Kind(d) == "Role" && Name(d) == name && Namespace(d) == Own)["rules"]!
            .AsArray()
            .SelectMany(rule => rule!["resourceNames"]?.AsArray().Select(n => (string)n!) ?? [])
            .Should()
            .BeEquivalentTo(["bursar", "bursar-ca", "bursar-control"], "the objects of the programs have fixed names");
        var policies = documents.Where(d => Kind(d) == "ValidatingAdmissionPolicy").ToArray();
        policies.Should().NotBeEmpty();
        foreach (var policy in policies)
        {
            ((string)policy["spec"]!["matchConditions"]![0]!["expression"]!)
                .Should()
                .Be(
                    $"!(request.userInfo.username in ['system:serviceaccount:{Own}:{name}', 'system:serviceaccount:{Own}:{name}-release'])"
                );
            policy["spec"]!["validations"]!.ToJsonString().Should().Contain($"to the ClusterRole {name}-override.");
        }
        documents.Should().Contain(d => Kind(d) == "ClusterRole" && Name(d) == $"{name}-override");
    }

    [SkippableTheory]
    [InlineData("fullnameOverride=Bursar")]
    [InlineData("fullnameOverride=4711")]
    [InlineData("nameOverride=a-name-that-leaves-too-little-space-for-the-suffixes")]
    public async Task Names_that_Kubernetes_would_refuse_are_refused(string set)
    {
        InstallTool.RequireTools();
        var result = await InstallTool.HelmAsync("", "template", "rel", InstallTool.Chart, "--set", $"image.repository=r/b,{set}");

        result.Code.Should().NotBe(0);
        result.Text.Should().Contain(set.Split('=')[0]);
    }

    /// <summary>All documents of the chart, with everything enabled that has a name.</summary>
    private static async Task<JsonNode[]> DocumentsAsync(string set)
    {
        InstallTool.RequireTools();
        var result = await InstallTool.HelmAsync(
            "",
            "template",
            "rel",
            InstallTool.Chart,
            "--namespace",
            Own,
            "--set",
            "image.repository=registry.example/bursar,networkPolicy.enabled=true,serviceMonitor.enabled=true,prometheusRule.enabled=true",
            "--set",
            "grafana.dashboards.enabled=true",
            "--set-json",
            """agent.servers=[{"server": "ours", "prompt": ["ours_total"]}]""",
            "--set-json",
            """operator.prometheus=[{"name": "main", "address": "http://prometheus:9090"}]""",
            "--set",
            set
        );
        return [.. result.Succeeded().Output.Split("\n---\n").Select(text => YamlBody.Parse(text)).OfType<JsonObject>()];
    }

    private static JsonNode One(JsonNode[] documents, string kind) => documents.Single(d => Kind(d) == kind);

    private static string Kind(JsonNode document) => (string)document["kind"]!;

    private static string Name(JsonNode document) => (string)document["metadata"]!["name"]!;

    private static string? Namespace(JsonNode document) => (string?)document["metadata"]!["namespace"];

    private static JsonNode? PodSpec(JsonNode document) =>
        Kind(document) == "Pod" ? document["spec"] : document["spec"]?["template"]?["spec"];

    private static bool Selects(JsonNode? selector, JsonNode labels) =>
        selector is JsonObject { Count: > 0 } terms && terms.All(term => (string?)labels[term.Key] == (string)term.Value!);
}
