using System.Text.Json.Nodes;
using Bursar.Sandbox.ApiServer;

namespace Bursar.Tests.EndToEnd;

/// <summary>The external scaler endpoint for KEDA, as the chart renders it.</summary>
public sealed class ExternalScalerChartTests
{
    [SkippableFact]
    public async Task KEDA_reaches_each_replica_and_other_clients_are_blocked()
    {
        var documents = await DocumentsAsync();
        var service = Single(documents, "Service", "bursar-external-scaler");
        ((string)service["spec"]!["clusterIP"]!).Should().Be("None", "only one replica listens, and KEDA is to find it");
        ((long)service["spec"]!["ports"]![0]!["port"]!).Should().Be(9467);
        var pod = documents.Single(d => (string?)d["kind"] == "Deployment")["spec"]!["template"]!;
        pod["spec"]!["containers"]![0]!["args"]!
            .AsArray()
            .Select(a => (string)a!)
            .Should()
            .Contain("--external-scaler-address=0.0.0.0:9467");
        pod["spec"]!["containers"]![0]!["ports"]!
            .AsArray()
            .Should()
            .Contain(p =>
                (string?)p!["name"] == (string?)service["spec"]!["ports"]![0]!["targetPort"] && (long)p["containerPort"]! == 9467
            );
        foreach (var (key, value) in service["spec"]!["selector"]!.AsObject())
            pod["metadata"]!["labels"]![key]!.ToJsonString(null).Should().Be(value!.ToJsonString(null));

        var policy = Single(documents, "NetworkPolicy", "bursar-external-scaler")["spec"]!;
        Ports(policy).Should().BeEquivalentTo(["metrics", "webhook", "external from keda"], "the pod's other ports stay as they are");
    }

    [SkippableFact]
    public async Task External_scaler_port_is_part_of_the_pods_network_policy()
    {
        var documents = await DocumentsAsync("--set", "networkPolicy.enabled=true", "--set", "externalScaler.kedaNamespace=autoscaling");
        documents
            .Should()
            .NotContain(
                d => (string?)d["kind"] == "NetworkPolicy" && (string?)d["metadata"]!["name"] == "bursar-external-scaler",
                "policies add up, and it opens the other ports to all"
            );
        Ports(Single(documents, "NetworkPolicy", "bursar")["spec"]!)
            .Should()
            .BeEquivalentTo(["metrics", "webhook", "external from autoscaling"]);
    }

    [SkippableFact]
    public async Task Switched_off_nothing_of_it_is_left()
    {
        var documents = await DocumentsAsync("--set", "externalScaler.enabled=false", "--set", "networkPolicy.enabled=true");
        string.Join('\n', documents.Select(d => d.ToJsonString()))
            .Should()
            .NotContain("external-scaler")
            .And.NotContain("9467")
            .And.NotContain("\"external\"");
        (
            await InstallTool.HelmAsync(
                "",
                "template",
                "bursar",
                InstallTool.Chart,
                "--set",
                "image.repository=registry.example/bursar",
                "--set",
                "externalScaler.kedaNamespace="
            )
        )
            .Code.Should()
            .NotBe(0);
    }

    private static IEnumerable<string> Ports(JsonNode policy) =>
        policy["ingress"]!
            .AsArray()
            .Select(rule =>
                $"{rule!["ports"]!.AsArray().Single()!["port"]}{(rule["from"] is JsonArray from ? $" from {from.Single()!["namespaceSelector"]!["matchLabels"]!["kubernetes.io/metadata.name"]}" : "")}"
            );

    private static JsonNode Single(IEnumerable<JsonNode> documents, string kind, string name) =>
        documents.Single(d => (string?)d["kind"] == kind && (string?)d["metadata"]!["name"] == name);

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
