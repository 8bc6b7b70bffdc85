using System.Text.Json.Nodes;
using Bursar.Operator.Cluster;
using Bursar.Sandbox.ApiServer;

namespace Bursar.Tests.EndToEnd;

/// <summary>The webhook as the chart makes it. What an API server makes of it is tried in RealAdmissionTests.</summary>
public sealed class AdmissionChartTests
{
    [SkippableFact]
    public async Task Webhook_matches_suspendable_GPU_kinds_in_labelled_namespaces_and_fails_open()
    {
        var documents = await DocumentsAsync();
        var configuration = documents.Single(d => (string?)d["kind"] == "MutatingWebhookConfiguration");
        ((string)configuration["metadata"]!["name"]!).Should().Be("bursar");
        var webhooks = configuration["webhooks"]!.AsArray().ToDictionary(w => (string)w!["rules"]![0]!["resources"]![0]!, w => w!);
        webhooks
            .Keys.Should()
            .BeEquivalentTo(WorkloadKinds.All.Where(kind => kind.Suspends).Select(kind => kind.Entity.Plural).Append("pods"));
        foreach (var kind in WorkloadKinds.All.Where(kind => kind.Suspends))
        {
            var webhook = webhooks[kind.Entity.Plural];
            webhook["rules"]!
                .ToJsonString()
                .Should()
                .Be(
                    $$"""[{"apiGroups":["{{kind.Entity.Group}}"],"apiVersions":["{{kind.Entity.Version}}"],"resources":["{{kind.Entity.Plural}}"],"operations":["CREATE"],"scope":"Namespaced"}]"""
                );
            (
                (string)webhook["failurePolicy"]!,
                (string)webhook["sideEffects"]!,
                (long)webhook["timeoutSeconds"]!,
                (string)webhook["reinvocationPolicy"]!
            )
                .Should()
                .Be(("Ignore", "None", 2L, "IfNeeded"));
            ((string)webhook["namespaceSelector"]!["matchLabels"]!["bursar.dev/admission"]!).Should().Be("enabled");
            webhook["namespaceSelector"]!["matchExpressions"]![0]!["values"]!
                .AsArray()
                .Select(v => (string)v!)
                .Should()
                .Contain(["bursar-system", "bursar-agents", "kube-system"]);
            webhook["clientConfig"]!["caBundle"].Should().BeNull("an upgrade must not take away what the operator wrote");
            webhook["matchConditions"]!
                .AsArray()
                .Select(c => (string)c!["name"]!)
                .Should()
                .Equal(
                    kind.Name is "TrainJob" or "RayJob"
                        ? ["not-owned-by-another-controller", "not-in-a-system-namespace"]
                        : ["not-owned-by-another-controller", "not-in-a-system-namespace", "requests-gpus"]
                );
        }

        var service = documents.Single(d => (string?)d["kind"] == "Service" && (string?)d["metadata"]!["name"] == "bursar-webhook");
        var pod = documents.Single(d => (string?)d["kind"] == "Deployment")["spec"]!["template"]!;
        pod["spec"]!["containers"]![0]!["args"]!.AsArray().Select(a => (string)a!).Should().Contain("--webhook-address=0.0.0.0:9443");
        pod["spec"]!["containers"]![0]!["ports"]!
            .AsArray()
            .Should()
            .Contain(p =>
                (string?)p!["name"] == (string?)service["spec"]!["ports"]![0]!["targetPort"] && (long)p["containerPort"]! == 9443
            );
    }

    [SkippableFact]
    public async Task Webhook_of_pods_matches_only_GPU_pods_and_fails_open()
    {
        var configuration = (await DocumentsAsync()).Single(d => (string?)d["kind"] == "MutatingWebhookConfiguration");
        var webhook = configuration["webhooks"]!.AsArray().Single(w => (string)w!["name"]! == "pods.admission.bursar.dev")!;
        ((string)webhook["failurePolicy"]!, (string)webhook["sideEffects"]!, (long)webhook["timeoutSeconds"]!)
            .Should()
            .Be(("Ignore", "None", 2L));
        webhook["rules"]!
            .ToJsonString()
            .Should()
            .Be("""[{"apiGroups":[""],"apiVersions":["v1"],"resources":["pods"],"operations":["CREATE"],"scope":"Namespaced"}]""");
        webhook["namespaceSelector"]!["matchExpressions"]![0]!["values"]!
            .AsArray()
            .Select(v => (string)v!)
            .Should()
            .Contain(["bursar-system", "bursar-agents", "kube-system"]);
        webhook["matchConditions"]!.AsArray().Select(c => (string)c!["name"]!).Should().Equal("not-in-a-system-namespace", "requests-gpus");
        ((string)webhook["matchConditions"]![1]!["expression"]!)
            .Should()
            .Contain("exists(r, r.contains('/'))", "a DeviceClass may stand for a GPU under any name")
            .And.Contain("object.spec.resourceClaims");
    }

    [SkippableFact]
    public async Task Creator_is_labelled_only_where_the_value_asks_for_it()
    {
        static JsonNode[] Webhooks(IReadOnlyList<JsonNode> documents) =>
            [
                .. documents.Single(d => (string?)d["kind"] == "MutatingWebhookConfiguration")["webhooks"]!
                    .AsArray()
                    .Select(webhook => webhook!),
            ];
        static string Text(IReadOnlyList<JsonNode> documents) => string.Join('\n', documents.Select(d => d.ToJsonString()));
        var off = await DocumentsAsync();
        Text(off).Should().NotContain("created-by").And.NotContain("/creator");

        var documents = await DocumentsAsync("--set", "admission.creatorLabel=true");
        var webhooks = Webhooks(documents)
            .TakeWhile(webhook => ((string)webhook["name"]!).StartsWith("creator.", StringComparison.Ordinal))
            .ToArray();
        Webhooks(documents).Should().HaveCount(webhooks.Length + Webhooks(off).Length, "they come before the others");
        string[] kinds = [.. WorkloadKinds.All.Select(kind => kind.Entity.Plural), "cronjobs", "pods"];
        webhooks.Select(webhook => (string)webhook["rules"]![0]!["resources"]![0]!).Should().BeEquivalentTo(kinds);
        foreach (var webhook in webhooks)
        {
            (
                (string)webhook["clientConfig"]!["service"]!["path"]!,
                (string)webhook["failurePolicy"]!,
                (string)webhook["sideEffects"]!,
                (string)webhook["reinvocationPolicy"]!
            )
                .Should()
                .Be(("/creator", "Ignore", "None", "IfNeeded"));
            webhook["namespaceSelector"]!["matchLabels"].Should().BeNull("the label of a namespace is for gating");
            webhook["clientConfig"]!["caBundle"].Should().BeNull("an upgrade must not take away what the operator wrote");
            ((string)webhook["matchConditions"]![0]!["name"]!).Should().Be("not-owned-by-another-controller");
        }
        documents
            .Where(d =>
                (string?)d["kind"] == "ValidatingAdmissionPolicy" && Text([d]).Contains("creatorLabelBefore", StringComparison.Ordinal)
            )
            .Select(d => (string)d["spec"]!["matchConstraints"]!["resourceRules"]![0]!["resources"]![0]!)
            .Should()
            .BeEquivalentTo(kinds.Except(["pods"]), "the pods that it counts are those of the first moment");

        Webhooks(await DocumentsAsync("--set", "admission.creatorLabel=true,admission.url=https://bursar.example:9443/admit"))
            .Select(webhook => (string)webhook["clientConfig"]!["url"]!)
            .Distinct()
            .Should()
            .Equal("https://bursar.example:9443/creator", "https://bursar.example:9443/admit");
    }

    [SkippableFact]
    public async Task Webhook_matches_only_kinds_that_the_operator_may_suspend()
    {
        var documents = await DocumentsAsync("--set", "operator.kinds={Job,Deployment}");
        documents.Single(d => (string?)d["kind"] == "MutatingWebhookConfiguration")["webhooks"]!
            .AsArray()
            .Select(w => (string)w!["name"]!)
            .Should()
            .Equal("jobs.admission.bursar.dev", "pods.admission.bursar.dev");
    }

    [SkippableFact]
    public async Task Switched_off_nothing_of_it_is_left()
    {
        var documents = await DocumentsAsync("--set", "admission.enabled=false", "--set", "networkPolicy.enabled=true");
        documents.Should().NotContain(d => (string?)d["kind"] == "MutatingWebhookConfiguration");
        string.Join('\n', documents.Select(d => d.ToJsonString()))
            .Should()
            .NotContain("bursar-webhook")
            .And.NotContain("9443")
            .And.NotContain("--webhook")
            .And.NotContain("\"webhook\"");
        (
            await InstallTool.HelmAsync(
                "",
                "template",
                "bursar",
                InstallTool.Chart,
                "--set",
                "image.repository=registry.example/bursar",
                "--set",
                "admission.enabled=perhaps"
            )
        )
            .Code.Should()
            .NotBe(0);
    }

    [SkippableFact]
    public async Task Admission_URL_reaches_the_API_server_and_the_operator()
    {
        var documents = await DocumentsAsync("--set", "admission.url=https://bursar.example:9443/admit");
        documents.Single(d => (string?)d["kind"] == "MutatingWebhookConfiguration")["webhooks"]!
            .AsArray()
            .Should()
            .OnlyContain(webhook => webhook!["clientConfig"]!.ToJsonString(null) == """{"url":"https://bursar.example:9443/admit"}""");
        documents
            .Single(d => (string?)d["kind"] == "Deployment")
            .ToJsonString()
            .Should()
            .Contain("--webhook-url=https://bursar.example:9443/admit");
    }

    private static async Task<IReadOnlyList<JsonNode>> DocumentsAsync(params string[] more)
    {
        InstallTool.RequireTools();
        var text = (
            await InstallTool.HelmAsync(
                "",
                [
                    "template",
                    "bursar",
                    InstallTool.Chart,
                    "--namespace",
                    "bursar-system",
                    "--set",
                    "image.repository=registry.example/bursar",
                    .. more,
                ]
            )
        )
            .Succeeded()
            .Output;
        return [.. text.Split("\n---\n").Select(document => YamlBody.Parse(document)).OfType<JsonObject>()];
    }
}
