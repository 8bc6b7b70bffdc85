using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Bursar.Demo;
using Bursar.Sandbox.ApiServer;
using Xunit.Abstractions;

namespace Bursar.Tests.EndToEnd;

/// <summary>kubectl's view of a budget, the same on both servers.</summary>
[Collection(InstallCollection.Name)]
public sealed class InstallKubectlTests(InstallServers servers, ITestOutputHelper output)
{
    private const string Team = "team-kubectl";

    public static TheoryData<bool> Servers => InstallServers.Real;

    [SkippableTheory]
    [MemberData(nameof(Servers))]
    public async Task Kubectl_prints_a_budget_in_readable_columns(bool real)
    {
        InstallTool.RequireTools();
        var ct = CancellationToken.None;
        await using var server = await servers.StartAsync(real, ct);
        foreach (var (_, yaml) in CrdFiles.ReadAll())
            await server.Client.CreateAsync<Bursar.Kubernetes.Objects.V1CustomResourceDefinition>(
                (JsonObject)YamlBody.Parse(yaml)!,
                null,
                ct
            );
        (
            await InstallTool.KubectlAsync(
                server.Kubeconfig,
                "wait",
                "--for=condition=Established",
                "--timeout=30s",
                "crd/gpubudgets.bursar.dev",
                "crd/gpupricebooks.bursar.dev"
            )
        ).Succeeded();
        (await InstallTool.KubectlAsync(server.Kubeconfig, "create", "namespace", Team)).Succeeded();
        await server.UntilAsync(
            "the budget is applied",
            async () =>
                (
                    await InstallTool.KubectlWithInputAsync(
                        server.Kubeconfig,
                        $$"""
                        apiVersion: bursar.dev/v1alpha1
                        kind: GpuBudget
                        metadata: {name: nlp, namespace: {{Team}}}
                        spec:
                          limit: {cost: "500"}
                        """,
                        "apply",
                        "-f",
                        "-"
                    )
                ).Code == 0,
            ct
        );
        (
            await InstallTool.KubectlAsync(
                server.Kubeconfig,
                "patch",
                "gpub",
                "nlp",
                "-n",
                Team,
                "--subresource=status",
                "--type=merge",
                "-p",
                """{"status":{"limit":"500","spent":"41.25","projected":"310.5","percent":8,"burnRatePerHour":"12.24","exhaustedAt":"2036-11-29T01:00:00Z","state":"OnTrack"}}"""
            )
        ).Succeeded();

        var list = await ShowAsync(server, "get", "gpub", "-A");
        var lines = list.TrimEnd().Split('\n').Select(l => Regex.Replace(l, " {2,}", "|")).ToArray();
        lines[0].Should().Be("NAMESPACE|NAME|LIMIT|SPENT|PROJECTED|PERCENT|BURN/H|EXHAUSTED-AT|STATE|AGE");
        lines[1].Should().MatchRegex($@"^{Team}\|nlp\|500\|41\.25\|310\.5\|8\|12\.24\|2036-11-29T01:00:00Z\|OnTrack\|\d+s$");
        (await ShowAsync(server, "get", "gpubudget", "nlp", "-n", Team, "-o", "jsonpath={.spec.mode}")).Should().Be("Enforce");
        var described = await ShowAsync(server, "describe", "gpub", "nlp", "-n", Team);
        described.Should().Contain("Burn Rate Per Hour:  12.24").And.MatchRegex("Cost: +500").And.Contain("Suspend When:");

        // A watch shows a change while it runs.
        var watched = InstallTool.KubectlAsync(server.Kubeconfig, "get", "gpub", "-n", Team, "-w", "--request-timeout=4s");
        for (var i = 0; !watched.IsCompleted; i++)
        {
            (
                await InstallTool.KubectlAsync(
                    server.Kubeconfig,
                    "patch",
                    "gpub",
                    "nlp",
                    "-n",
                    Team,
                    "--subresource=status",
                    "--type=merge",
                    "-p",
                    $$$"""{"status":{"state":"Changed{{{i}}}"}}"""
                )
            ).Succeeded();
            await Task.WhenAny(watched, Task.Delay(300, ct));
        }
        (await watched)
            .Output.Split('\n')
            .Should()
            .Contain(l => l.Contains("Changed", StringComparison.Ordinal))
            .And.HaveCountGreaterThan(2);

        var explained = await ShowAsync(server, "explain", "gpub.spec");
        explained
            .Should()
            .MatchRegex(
                @"(?s)KIND: +GpuBudget.*limit\t<Object> -required-.*The amounts that may be used in one window.*mode\t<string>\n  enum: Enforce, Observe"
            );
        var everything = await ShowAsync(server, "explain", "gpub", "--recursive");
        everything.Should().Contain("whenExhausted").And.Contain("suspendedCount");
        // Every field of the spec has a description.
        foreach (
            var field in (string[])
                [
                    "spec.limit",
                    "spec.topUps",
                    "spec.window",
                    "spec.selector",
                    "spec.training",
                    "spec.training.resume",
                    "spec.inference",
                    "status",
                    "status.workloads",
                    "status.suspended",
                ]
        )
        {
            var text = (await InstallTool.KubectlAsync(server.Kubeconfig, "explain", "gpub." + field)).Succeeded().Output;
            text.Should().NotContain("<no description>", "{0}", field).And.NotContain("<empty>", "{0}", field);
        }
        (await ShowAsync(server, "get", "gpupb")).Should().BeEmpty();
        (await InstallTool.KubectlAsync(server.Kubeconfig, "delete", "namespace", Team, "--wait=false")).Succeeded();
    }

    private async Task<string> ShowAsync(InstallServer server, params string[] arguments)
    {
        var result = (await InstallTool.KubectlAsync(server.Kubeconfig, arguments)).Succeeded();
        output.WriteLine($"$ kubectl {string.Join(' ', arguments)}\n{result.Text}");
        return result.Output;
    }
}
