using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.ApiServer;
using Bursar.Sandbox.Nodes;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// The chart with the real helm and kubectl. No container runs here. If a pod of the chart must do something, the test acts as its kubelet
/// and starts the built program with the exact arguments of the pod.
/// </summary>
[Collection(InstallCollection.Name)]
public sealed class InstallTests(InstallServers servers)
{
    private const string Image = "image.repository=registry.example/bursar";
    internal const string Agents = "money-agents";

    // Not bursar-system, so that a silent dependency on that name fails here.
    internal const string Own = "money";

    public static TheoryData<bool> Servers => InstallServers.Real;

    [SkippableTheory]
    [MemberData(nameof(Servers))]
    public async Task Server_accepts_every_object_of_the_chart_with_everything_enabled(bool real)
    {
        InstallTool.RequireTools();
        var ct = CancellationToken.None;
        await using var server = await servers.StartAsync(real, ct);
        // A dry run stores nothing: namespaces of the chart would be missing for the rest of it, and the ServiceAccount for the test pod.
        await EnsureNamespaceAsync(server, "dry-run", ct);
        await EnsureNamespaceAsync(server, "dry-run-agents", ct);
        var manifests = (
            await InstallTool.HelmAsync(
                server.Kubeconfig,
                "template",
                "bursar",
                InstallTool.Chart,
                "--namespace",
                "dry-run",
                "--skip-tests",
                "--set",
                Image,
                "--set",
                "agent.namespace=dry-run-agents,networkPolicy.enabled=true,namespace.create=true,grafana.dashboards.enabled=true,agent.driver.root=/run/nvidia/driver/lib64"
            )
        )
            .Succeeded()
            .Output;

        var applied = (
            await InstallTool.KubectlWithInputAsync(server.Kubeconfig, manifests, "apply", "--dry-run=server", "-f", "-")
        ).Succeeded();

        applied.Error.Should().NotContain("Warning: unknown field");
        applied
            .Output.Should()
            .Contain("customresourcedefinition.apiextensions.k8s.io/gpubudgets.bursar.dev created (server dry run)")
            .And.Contain("deployment.apps/bursar created (server dry run)")
            .And.Contain("daemonset.apps/bursar-agent created (server dry run)");
        (await server.Client.ListAsync<V1Deployment>(new() { Namespace = "dry-run" }, ct))
            .Items.Should()
            .BeEmpty("a dry run stores nothing");
    }

    [SkippableTheory]
    [MemberData(nameof(Servers))]
    public async Task Upgrade_reaches_the_CRDs_and_uninstall_resumes_work_and_keeps_the_budgets(bool real)
    {
        InstallTool.RequireTools();
        var ct = CancellationToken.None;
        await using var server = await servers.StartAsync(real, ct);
        var set = $"{Image},agent.namespace={Agents}";
        (await InstallAsync(server, set)).Succeeded();

        await ServedAsync(server, ct);
        (await InstallTool.HelmAsync(server.Kubeconfig, "status", "bursar", "--namespace", Own))
            .Succeeded()
            .Output.Should()
            .Contain("STATUS: deployed");
        (await server.Client.GetAsync<V1Deployment>("bursar", Own, ct)).Spec.Replicas.Should().Be(2);
        var ns = await server.Client.GetAsync<V1Namespace>(Agents, null, ct);
        ns.Metadata.Labels["pod-security.kubernetes.io/enforce"].Should().Be("privileged");

        // A field of a later version is unknown before the upgrade and kept after it.
        await EnsureNamespaceAsync(server, CommandsWorld.Team, ct);
        (await CostCenterAsync(server, "before", ct)).Should().BeNull("today's schema does not know it");
        var tomorrow = CopyChartWithNewField();
        (await InstallTool.HelmAsync(server.Kubeconfig, "upgrade", "bursar", tomorrow, "--namespace", Own, "--set", set)).Succeeded();
        // A real server builds the new schema's handler a moment after the CRD has changed.
        await server.UntilAsync("the new field is kept", async () => await CostCenterAsync(server, "after", ct) == "4711", ct);
        (await server.Client.GetAsync<V1Alpha1GpuBudget>("before", CommandsWorld.Team, ct)).Spec!.Limit!.Cost.Should().Be("500");
        Directory.Delete(tomorrow, recursive: true);

        // Suspended work, as an operator that is gone has left it; then the uninstall.
        await SuspendAsync(server, ct);
        var uninstall = InstallTool.HelmAsync(server.Kubeconfig, "uninstall", "bursar", "--namespace", Own, "--timeout", "90s");
        var released = await RunHookPodAsync(server, real, "bursar-release", "bursar-release", ct);
        released.Succeeded();
        (await uninstall).Succeeded();

        (await server.Client.GetAsync<V1Job>("runaway", CommandsWorld.Team, ct)).Spec.Suspend.Should().BeFalse();
        (await server.Client.GetOrNullAsync<V1Deployment>("bursar", Own, ct)).Should().BeNull();
        (await server.Client.GetAsync<V1Alpha1GpuBudget>("after", CommandsWorld.Team, ct))
            .Spec!.Limit!.Cost.Should()
            .Be("500", "budgets outlive the release");
        (await server.Client.ListAsync<V1Alpha1GpuLedger>(new() { Namespace = Own }, ct)).Items.Should().NotBeEmpty("so does the ledger");
        (await server.GetAsync("/apis/rbac.authorization.k8s.io/v1/clusterroles", ct))!["items"]!
            .AsArray()
            .Select(r => (string)r!["metadata"]!["name"]!)
            .Should()
            .NotContain("bursar")
            .And.NotContain("bursar-view")
            .And.NotContain("bursar-release");

        // A user who installs the chart again is told that the release has disabled enforcement.
        await server.UntilAsync(
            "the agents' namespace is gone",
            async () => await server.Client.GetOrNullAsync<V1Namespace>(Agents, null, ct) is null,
            ct
        );
        var again = (
            await InstallTool.HelmAsync(server.Kubeconfig, "install", "bursar", InstallTool.Chart, "--namespace", Own, "--set", set)
        ).Succeeded();
        again.Output.Should().Contain("The cluster is in observe-only mode");
        (await InstallTool.HelmAsync(server.Kubeconfig, "uninstall", "bursar", "--namespace", Own, "--no-hooks")).Succeeded();
        await server.UntilAsync(
            "the agents' namespace is gone",
            async () => await server.Client.GetOrNullAsync<V1Namespace>(Agents, null, ct) is null,
            ct
        );
    }

    [SkippableTheory]
    [MemberData(nameof(Servers))]
    public async Task Release_hook_applied_by_kubectl_changes_nothing(bool real)
    {
        InstallTool.RequireTools();
        var ct = CancellationToken.None;
        await using var server = await servers.StartAsync(real, ct);
        var manifests = (
            await InstallTool.HelmAsync(
                server.Kubeconfig,
                "template",
                "bursar",
                InstallTool.Chart,
                "--namespace",
                Own,
                "--set",
                $"{Image},agent.namespace={Agents},namespace.create=true"
            )
        )
            .Succeeded()
            .Output;
        // Twice, since an installation by kubectl is updated in the same way.
        (await InstallTool.KubectlWithInputAsync(server.Kubeconfig, manifests, "apply", "-f", "-")).Succeeded();
        await ServedAsync(server, ct);
        (await InstallTool.KubectlWithInputAsync(server.Kubeconfig, manifests, "apply", "-f", "-")).Succeeded();
        await EnsureNamespaceAsync(server, CommandsWorld.Team, ct);
        await CostCenterAsync(server, "after", ct);
        await SuspendAsync(server, ct);

        var released = await RunHookPodAsync(server, real, "bursar-release", "bursar-release", ct);

        released
            .Succeeded()
            .Output.Should()
            .Contain($"Deployment {Own}/bursar exists: Bursar is not being uninstalled. Nothing was changed.");
        (await server.Client.GetAsync<V1Job>("runaway", CommandsWorld.Team, ct)).Spec.Suspend.Should().BeTrue();
        (await server.Client.GetOrNullAsync<V1ConfigMap>("bursar-control", Own, ct)).Should().BeNull("enforcement goes on");
    }

    [SkippableTheory]
    [MemberData(nameof(Servers))]
    public async Task Uninstall_with_an_image_that_cannot_run_ends_in_time_with_a_message(bool real)
    {
        InstallTool.RequireTools();
        var ct = CancellationToken.None;
        await using var server = await servers.StartAsync(real, ct);
        var set = $"{Image},agent.namespace={Agents},release.timeoutSeconds=10";
        (await InstallAsync(server, set)).Succeeded();

        // No kubelet runs here, so the hook's pod stays pending, as if its image could not be pulled.
        var uninstall = await InstallTool.HelmAsync(server.Kubeconfig, "uninstall", "bursar", "--namespace", Own);

        (await server.GetAsync($"/apis/batch/v1/namespaces/{Own}/jobs/bursar-release", ct))!["status"]!["conditions"]!
            .AsArray()
            .Select(c => (string?)c!["reason"])
            .Should()
            .Contain("DeadlineExceeded", "helm's own timeout of five minutes has not ended it");
        uninstall.Code.Should().NotBe(0);
        uninstall.Text.Should().Contain("bursar-release").And.Contain("Failed");
        (await server.Client.GetOrNullAsync<V1Deployment>("bursar", Own, ct)).Should().BeNull("the uninstall itself is done");
        (await InstallTool.HelmAsync(server.Kubeconfig, "list", "--namespace", Own))
            .Succeeded()
            .Output.Should()
            .NotContain("bursar", "so that it can be installed again");
    }

    [SkippableFact]
    public async Task Wait_ends_once_the_operators_pods_are_ready()
    {
        InstallTool.RequireTools();
        var ct = CancellationToken.None;
        await using var server = await servers.StartAsync(real: false, ct);
        await using var nodes = await NodeSimulator.StartAsync(
            server.Client,
            new() { Fleet = [new() { Name = "cpu-1", Gpus = 0 }], ImagePull = TimeSpan.FromMilliseconds(200) },
            ct
        );

        // The agents are left out because the Sandbox runs no DaemonSet controller.
        (await InstallAsync(server, $"{Image},agent.enabled=false", "--wait", "--timeout", "60s")).Succeeded();

        (await server.GetAsync($"/apis/apps/v1/namespaces/{Own}/deployments/bursar", ct))!["status"]!["readyReplicas"]!
            .GetValue<int>()
            .Should()
            .Be(2);
    }

    [SkippableTheory]
    [MemberData(nameof(Servers))]
    public async Task Helm_test_succeeds_with_the_rights_of_the_operator(bool real)
    {
        InstallTool.RequireTools();
        var ct = CancellationToken.None;
        await using var server = await servers.StartAsync(real, ct);
        var set = $"{Image},agent.enabled=false,serviceAccount.name=gpu-budgets,commonLabels.team=platform";
        (await InstallAsync(server, set)).Succeeded();
        await ServedAsync(server, ct);
        await EnsureNamespaceAsync(server, CommandsWorld.Team, ct);
        await CostCenterAsync(server, "after", ct);
        await SuspendAsync(server, ct);

        var test = InstallTool.HelmAsync(server.Kubeconfig, "test", "bursar", "--namespace", Own, "--timeout", "60s");
        (await RunHookPodAsync(server, real, "bursar-test", "gpu-budgets", ct)).Succeeded();

        (await test).Succeeded().Output.Should().MatchRegex(@"Phase:\s+Succeeded");
    }

    [SkippableTheory]
    [MemberData(nameof(Servers))]
    public async Task Installation_with_other_names_tests_and_releases_like_any_other(bool real)
    {
        InstallTool.RequireTools();
        var ct = CancellationToken.None;
        await using var server = await servers.StartAsync(real, ct);
        (await InstallAsync(server, $"{Image},agent.namespace={Agents},nameOverride=acme,fullnameOverride=gpu-costs")).Succeeded();
        await ServedAsync(server, ct);
        (await server.Client.GetAsync<V1Deployment>("gpu-costs", Own, ct)).Metadata.Labels["app.kubernetes.io/name"].Should().Be("acme");
        if (real)
            foreach (
                var (what, expected) in ((string, string)[])
                    [
                        ("patch mutatingwebhookconfigurations/gpu-costs", "yes"),
                        ("patch mutatingwebhookconfigurations/bursar", "no"),
                        ($"patch leases/bursar --namespace {Own}", "yes"),
                        ($"patch secrets/bursar-agent-tls --namespace {Agents}", "yes"),
                    ]
            )
                (
                    await InstallTool.KubectlAsync(
                        server.Kubeconfig,
                        ["auth", "can-i", .. what.Split(' '), $"--as=system:serviceaccount:{Own}:gpu-costs"]
                    )
                )
                    .Output.Trim()
                    .Should()
                    .Be(expected, what);
        await EnsureNamespaceAsync(server, CommandsWorld.Team, ct);
        await CostCenterAsync(server, "after", ct);
        await SuspendAsync(server, ct);

        var test = InstallTool.HelmAsync(server.Kubeconfig, "test", "bursar", "--namespace", Own, "--timeout", "60s");
        (await RunHookPodAsync(server, real, "acme-test", "gpu-costs", ct)).Succeeded();
        (await test).Succeeded();
        (
            await InstallTool.BursarAsync(
                server.Kubeconfig,
                ["release", "--all", "--if-uninstalled", "--deployment=gpu-costs", $"--bursar-namespace={Own}"]
            )
        )
            .Succeeded()
            .Output.Should()
            .Contain($"Deployment {Own}/gpu-costs exists");
        (await server.Client.GetAsync<V1Job>("runaway", CommandsWorld.Team, ct)).Spec.Suspend.Should().BeTrue();

        var uninstall = InstallTool.HelmAsync(server.Kubeconfig, "uninstall", "bursar", "--namespace", Own, "--timeout", "90s");
        (await RunHookPodAsync(server, real, "acme-release", "gpu-costs-release", ct)).Succeeded();
        (await uninstall).Succeeded();

        (await server.Client.GetAsync<V1Job>("runaway", CommandsWorld.Team, ct)).Spec.Suspend.Should().BeFalse();
        foreach (var kind in (string[])["clusterroles", "clusterrolebindings"])
            (await server.GetAsync($"/apis/rbac.authorization.k8s.io/v1/{kind}?labelSelector=app.kubernetes.io/part-of%3Dbursar", ct))![
                "items"
            ]!
                .AsArray()
                .Should()
                .BeEmpty();
    }

    private static Task<ToolResult> InstallAsync(InstallServer server, string set, params string[] more) =>
        InstallTool.HelmAsync(
            server.Kubeconfig,
            ["install", "bursar", InstallTool.Chart, "--namespace", Own, "--create-namespace", "--set", set, .. more]
        );

    /// <summary>Stands in for the kubelet: runs the arguments of a hook's pod under its service account and reports the result.</summary>
    private static async Task<ToolResult> RunHookPodAsync(
        InstallServer server,
        bool real,
        string name,
        string serviceAccount,
        CancellationToken ct
    )
    {
        JsonNode? pod = null;
        await server.UntilAsync(
            "the hook's pod is there",
            async () =>
            {
                pod = (await server.GetAsync($"/api/v1/namespaces/{Own}/pods?labelSelector=app.kubernetes.io/name%3D{name}", ct))!["items"]!
                    .AsArray()
                    .FirstOrDefault();
                return pod is not null;
            },
            ct
        );
        ((string?)pod!["spec"]!["serviceAccountName"]).Should().Be(serviceAccount);
        var kubeconfig = server.Kubeconfig;
        if (real)
        {
            // The Sandbox stores rights and does not judge by them; here they count.
            var account = await server.ServiceAccountAsync(Own, serviceAccount, ct);
            kubeconfig = Path.Combine(Directory.CreateTempSubdirectory("bursar-hook-").FullName, "kubeconfig");
            await File.WriteAllTextAsync(
                kubeconfig,
                (await File.ReadAllTextAsync(server.Kubeconfig, ct)).Replace(server.Plane!.Token, account.Token, StringComparison.Ordinal),
                ct
            );
        }
        var arguments = pod["spec"]!["containers"]![0]!["args"]!
            .AsArray()
            .Select(a => ((string)a!).Replace("$(POD_NAMESPACE)", Own, StringComparison.Ordinal))
            .ToArray();
        var result = await InstallTool.BursarAsync(kubeconfig, arguments);

        var status = new JsonObject { ["status"] = new JsonObject { ["phase"] = result.Code == 0 ? "Succeeded" : "Failed" } };
        await server.Client.RequestAsync(
            HttpMethod.Patch,
            $"/api/v1/namespaces/{Own}/pods/{(string)pod["metadata"]!["name"]!}/status",
            new StringContent(status.ToJsonString(), System.Text.Encoding.UTF8, "application/merge-patch+json"),
            ct
        );
        return result;
    }

    private static async Task SuspendAsync(InstallServer server, CancellationToken ct)
    {
        var budget = await server.Client.GetAsync<V1Alpha1GpuBudget>("after", CommandsWorld.Team, ct);
        var job = await server.Client.CreateAsync<V1Job>(
            (JsonObject)
                YamlBody.Parse(
                    $$$"""
                    metadata: {name: runaway, namespace: {{{CommandsWorld.Team}}}}
                    spec:
                      suspend: true
                      template:
                        spec:
                          restartPolicy: Never
                          containers:
                          - name: main
                            image: train:1
                            resources: {limits: {nvidia.com/gpu: 1}}
                    """
                )!,
            CommandsWorld.Team,
            ct
        );
        var state = new OperatorState();
        state.RecordSuspension(CommandsWorld.OfJob(job, budget));
        foreach (var shard in state.DirtyShards())
            await server.Client.CreateAsync(
                new V1Alpha1GpuLedger
                {
                    Metadata = new() { Name = shard.Name, Namespace = Own },
                    Spec = new()
                    {
                        Kind = shard.Kind,
                        Namespace = shard.Namespace,
                        Day = shard.Day,
                        Shard = shard.Index,
                        Data = JsonSerializer.SerializeToElement(shard, LedgerJson.Default.LedgerShard),
                    },
                },
                ct
            );
    }

    /// <summary>Creates the budget if it is missing, with the field, and returns what the server has kept of it.</summary>
    private static async Task<string?> CostCenterAsync(InstallServer server, string name, CancellationToken ct)
    {
        var path = $"/apis/bursar.dev/v1alpha1/namespaces/{CommandsWorld.Team}/gpubudgets";
        if (await server.Client.GetOrNullAsync<V1Alpha1GpuBudget>(name, CommandsWorld.Team, ct) is null)
            await server.Client.CreateAsync(
                new V1Alpha1GpuBudget
                {
                    Metadata = new() { Name = name, Namespace = CommandsWorld.Team },
                    Spec = new() { Limit = new() { Cost = "500" } },
                },
                ct
            );
        var patch = new StringContent("""{"spec":{"costCenter":"4711"}}""", System.Text.Encoding.UTF8, "application/merge-patch+json");
        var kept = await server.Client.RequestAsync(HttpMethod.Patch, $"{path}/{name}?fieldValidation=Ignore", patch, ct);
        return (string?)kept!["spec"]!["costCenter"];
    }

    private static string CopyChartWithNewField()
    {
        var copy = Directory.CreateTempSubdirectory("bursar-chart-").FullName;
        ParentChart.CopyTo(InstallTool.Chart, copy);
        var crd = Path.Combine(copy, "templates", "crds", "bursar.dev_gpubudgets.yaml");
        const string before = "            description: Desired state.\n            properties:\n";
        var text = File.ReadAllText(crd);
        text.Should().Contain(before);
        File.WriteAllText(
            crd,
            text.Replace(before, before + "              costCenter: {type: string, maxLength: 32}\n", StringComparison.Ordinal)
        );
        return copy;
    }

    private static Task ServedAsync(InstallServer server, CancellationToken ct) =>
        server.UntilAsync(
            "budgets are served",
            async () =>
            {
                try
                {
                    await server.Client.ListAsync<V1Alpha1GpuBudget>(new(), ct);
                    return true;
                }
                catch (ApiException error) when (error.IsNotFound)
                {
                    return false;
                }
            },
            ct
        );

    private static async Task EnsureNamespaceAsync(InstallServer server, string name, CancellationToken ct)
    {
        if (await server.Client.GetOrNullAsync<V1Namespace>(name, null, ct) is null)
            await server.Client.CreateAsync(new V1Namespace { Metadata = new() { Name = name } }, ct);
    }
}
