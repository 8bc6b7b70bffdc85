using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Billing;
using Bursar.Operator.Cluster;
using Bursar.Operator.Commands;
using Bursar.Operator.Hosting;
using Bursar.Operator.Scaling.Targets;
using Bursar.Operator.Suspension;
using Bursar.Sandbox.ApiServer;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;
using Bursar.Tests.TestKit;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit.Abstractions;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// The operator as the chart's ServiceAccount on an API server that enforces RBAC: nothing is denied, and no right is idle.
/// </summary>
[Collection(InstallCollection.Name)]
public sealed class RightsTests(InstallServers servers, ITestOutputHelper output)
{
    private const string Own = ClusterWorld.OwnNamespace;
    private const string Agents = ClusterWorld.AgentNamespace;
    private const string Team = "team-rights";
    private const string Other = "team-chat-rights";

    private static readonly string[] NodeNames = ["rights-1", "rights-2"];

    /// <summary>Rights that a run of seconds need not use, each with the reason why it stays.</summary>
    private static readonly Dictionary<string, string> Kept = new()
    {
        ["events.k8s.io events get"] = "an Event of an earlier life is read where the same one is due again: not in every run",
        ["events.k8s.io events patch"] = "an Event that repeats becomes a series: only after a while",
        [$"bursar.dev gpuledgers delete {Own}"] = "a budget's shard goes when nothing stands in it any more",
    };

    [SkippableFact]
    public async Task Rights_of_the_chart_suffice_and_none_is_unused()
    {
        Skip.IfNot(ControlPlane.IsPresent, ControlPlane.Absent);
        InstallTool.RequireTools();
        var ct = CancellationToken.None;
        await using var server = await servers.StartAsync(real: true, ct);
        foreach (
            var kind in WorkloadKinds
                .All.Where(kind => kind.IsOptional)
                .Select(kind => kind.Entity)
                .Concat([
                    V1ScaledObject.EntityKind,
                    V1Workload.EntityKind,
                    V1RayCluster.EntityKind,
                    V1Alpha1Rollout.EntityKind,
                    V1Alpha1DynamoScalingAdapter.EntityKind,
                ])
        )
            await CreateOptionalKindAsync(server, kind.Plural, kind.Kind, kind.Group, kind.Version, ct);
        (
            await InstallTool.HelmAsync(
                server.Kubeconfig,
                "install",
                "bursar",
                InstallTool.Chart,
                "--namespace",
                Own,
                "--create-namespace",
                "--set",
                $"image.repository=registry.example/bursar,agent.namespace={Agents}"
            )
        ).Succeeded();
        try
        {
            var account = await server.ServiceAccountAsync(Own, "bursar", ct);
            await RunEverythingAsync(server, account, ct);
            await AgentsHaveNoRightsAsync(server, ct);

            var requests = await RequestsAsync(server.Plane!, $"system:serviceaccount:{Own}:bursar", ct);
            requests.Should().NotBeEmpty();
            requests.Where(r => r.Code == 403).Select(r => r.ToString()).Distinct().Should().BeEmpty("the chart's rights are enough");
            var idle = (await RightsAsync(server, ct))
                .Where(right => !requests.Any(right.Allows))
                .Select(right => right.ToString())
                .ToArray();
            foreach (var right in idle)
                output.WriteLine($"never used: {right}");
            // This server streams its lists over a watch; those before 1.32 are asked for a list, and so is one that refuses.
            var lists = idle.Where(right => right.Split(' ').Contains("list"));
            idle.Except(lists).Except(Kept.Keys).Should().BeEmpty("a right that nothing uses is taken away (OperatorRights.cs)");
        }
        finally
        {
            (await InstallTool.HelmAsync(server.Kubeconfig, "uninstall", "bursar", "--namespace", Own, "--no-hooks")).Succeeded();
        }
    }

    /// <summary>
    /// An administrator makes a request, a user without the right cannot approve it, and one with the ClusterRole bursar-approve alone can.
    /// </summary>
    private static async Task GrantAsync(InstallServer server, CancellationToken ct)
    {
        foreach (var person in (string[])["reader", "approver"])
            await GuardedTeam.PostAsync(server.Client, $"/api/v1/namespaces/{Team}/serviceaccounts", $"{{metadata: {{name: {person}}}}}");
        await GuardedTeam.BindAsync(server.Client, Team, "ClusterRole", "bursar-view", "reader");
        await GuardedTeam.BindAsync(server.Client, Team, "ClusterRole", "bursar-approve", "approver");
        using var reader = new KubeClient(await server.ServiceAccountAsync(Team, "reader", ct));
        using var approver = new KubeClient(await server.ServiceAccountAsync(Team, "approver", ct));
        await RequestCommand.RunAsync(
            server.Client,
            Team,
            new(Team, "jobs"),
            new() { Amount = "0.01", Reason = "deadline" },
            TextWriter.Null,
            ct
        );
        async Task<V1Alpha1GpuBudgetRequest> RequestAsync() =>
            (await server.Client.ListAsync<V1Alpha1GpuBudgetRequest>(new() { Namespace = Team }, ct)).Items.Single();
        await server.UntilAsync("the request is considered", async () => (await RequestAsync()).Status?.State == "Pending", ct);
        var name = (await RequestAsync()).Metadata.Name;
        // The API server learns of a new binding a moment later.
        foreach (var (who, verb, subresource) in ((KubeClient, string, string)[])[(reader, "get", ""), (approver, "patch", "status")])
            await server.UntilAsync($"the right to {verb} requests is known", () => MayAsync(who, verb, subresource, ct), ct);
        Task AnswerAsync(KubeClient who) => AnswerCommands.RunAsync(who, Team, name, approves: true, null, TextWriter.Null, ct);

        (await FluentActions.Invoking(() => AnswerAsync(reader)).Should().ThrowAsync<CommandException>())
            .Which.Message.Should()
            .Contain($"this needs the right to patch gpubudgetrequests/status.bursar.dev in namespace {Team}");
        await AnswerAsync(approver);
        await server.UntilAsync("the request is granted", async () => (await RequestAsync()).Status?.State == "Approved", ct);
        (await RequestAsync()).Status!.ApprovedBy.Should().Be($"system:serviceaccount:{Team}:approver");
        await server.UntilAsync(
            "the limit has the grant",
            async () => (await server.Client.GetAsync<V1Alpha1GpuBudget>("jobs", Team, ct)).Status?.Limit == "0.510000",
            ct
        );
    }

    /// <summary>Whether the API server allows a user a verb on the team's requests for a grant.</summary>
    private static async Task<bool> MayAsync(KubeClient who, string verb, string subresource, CancellationToken ct)
    {
        using var body = new StringContent(
            $$$$"""
            {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": {"namespace": "{{{{Team}}}}", "group": "bursar.dev", "resource": "gpubudgetrequests", "subresource": "{{{{subresource}}}}", "verb": "{{{{verb}}}}"}}}
            """,
            System.Text.Encoding.UTF8,
            "application/json"
        );
        var answer = await who.RequestAsync(HttpMethod.Post, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body, ct);
        return (bool)answer!["status"]!["allowed"]!;
    }

    /// <summary>
    /// All that the operator does: prices, metering, talking with agents, suspending and resuming of all kinds, its own objects, renewal,
    /// release.
    /// </summary>
    private static async Task RunEverythingAsync(InstallServer server, KubeConfig account, CancellationToken ct)
    {
        // Config is the operator's, Client the administrator's, who is the teams here.
        var world = new RealWorld
        {
            Plane = server.Plane!,
            Config = account,
            Client = server.Client,
            Time = TimeProvider.System,
        };
        foreach (var node in NodeNames)
            await PlaceAgentAsync(server, node, ct);
        await using var nodes = await NodeSimulator.StartAsync(
            server.Client,
            new()
            {
                Fleet = [.. NodeNames.Select(name => new FleetNode { Name = name })],
                ImagePull = TimeSpan.FromMilliseconds(500),
                // Their pods are there: the simulator is their kubelet.
                Agents = new() { Namespace = Agents },
            },
            ct
        );
        // A node without heartbeats: the operator looks up its last one.
        await world.PostJsonAsync(
            "/api/v1/nodes",
            (JsonObject)
                YamlBody.Parse(
                    """
                    apiVersion: v1
                    kind: Node
                    metadata: {name: rights-lost, labels: {nvidia.com/gpu.product: Tesla-V100-SXM2-16GB}}
                    status:
                      capacity: {nvidia.com/gpu: "1"}
                      allocatable: {nvidia.com/gpu: "1"}
                      conditions: [{type: Ready, status: Unknown, reason: NodeStatusUnknown}]
                    """
                )!,
            ct
        );
        await world.CreateNamespaceAsync(Team, ct);
        await world.CreateNamespaceAsync(Other, ct);
        var options = new OperatorOptions
        {
            Namespace = Own,
            AgentNamespace = Agents,
            LeaderElect = true,
            Identity = "rights",
            Managers = ["Kueue", "KEDA"],
            MetricsAddress = "127.0.0.1:0",
            WebhookAddress = "127.0.0.1:0",
        };
        await world.StartOperatorAsync(ct, options);
        try
        {
            await world.UntilAsync(
                "there is a default price book with a status",
                async () => (await server.Client.ListAsync<V1Alpha1GpuPriceBook>(new(), ct)).Items is [{ Status: not null }],
                ct
            );
            await world.UntilAsync(
                "the certificates are there",
                async () =>
                    await server.Client.GetOrNullAsync<V1Secret>("bursar-ca", Own, ct) is not null
                    && await server.Client.GetOrNullAsync<V1Secret>("bursar-agent-tls", Agents, ct) is not null,
                ct
            );

            await world.CreateBudgetAsync(Team, "jobs", "0.5", ct);
            await world.CreateBudgetAsync(
                Other,
                "chat",
                "0.0001",
                ct,
                new() { ["inference"] = new JsonObject { ["whenExhausted"] = "Zero" } }
            );
            await world.PostJsonAsync(
                "/apis/bursar.dev/v1alpha1/clustergpubudgets",
                (JsonObject)
                    YamlBody.Parse(
                        $$"""
                        {apiVersion: bursar.dev/v1alpha1, kind: ClusterGpuBudget, metadata: {name: rights}, spec: {limit: {cost: "9000"}, namespaces: [{{Team}}, {{Other}}] } }
                        """
                    )!,
                ct
            );
            await GrantAsync(server, ct);
            // Work that is older than the budget's first evaluation would be left alone for its settle time.
            await world.UntilAsync(
                "the budgets are evaluated",
                async () =>
                    (await world.BudgetAsync(Team, "jobs", ct)).Status?.State is not null
                    && (await world.BudgetAsync(Other, "chat", ct)).Status?.State is not null
                    && (await server.Client.GetAsync<V1Alpha1ClusterGpuBudget>("rights", null, ct)).Status?.State is not null,
                ct
            );
            await world.PassAsync(TimeSpan.FromSeconds(1.5), ct);
            await world.CreateDeploymentAsync(Other, "chat", 1, 1, ct);
            var others = new Scene(world, Other);
            await world.CreateDeploymentAsync(Other, "scaled", 1, 1, ct);
            await others.CreateAsync(
                V1ScaledObject.EntityKind.Path(Other),
                """{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "scaler"}, "spec": {"scaleTargetRef": {"name": "scaled"}}}"""
            );
            await others.CreateAsync(
                V1Beta1InferenceService.EntityKind.Path(Other),
                """
                {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": {"name": "llama"}, "spec": {"predictor": {"model": {"resources": {"limits": {"nvidia.com/gpu": "1"}}}}}}
                """
            );
            await others.CreateAsync(
                V1Notebook.EntityKind.Path(Other),
                """
                {"apiVersion": "kubeflow.org/v1", "kind": "Notebook", "metadata": {"name": "lab"}, "spec": {"template": {"spec": {"containers": [{"name": "lab", "image": "example/jupyter", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}
                """
            );
            await world.CreateJobAsync(
                Team,
                "finetune",
                1,
                ct,
                // The agent's report is the only source of its duration.
                (AgentTargets.PortAnnotation, "9000"),
                ("sim.bursar.dev/work", "training"),
                ("sim.bursar.dev/steps", "30000"),
                ("sim.bursar.dev/step-time", "30ms"),
                ("sim.bursar.dev/report", "metric")
            );
            await world.UntilAsync(
                "the job is suspended",
                async () => (await world.JobAsync(Team, "finetune", ct)).Spec.Suspend == true,
                ct,
                TimeSpan.FromMinutes(2)
            );
            await world.UntilAsync(
                "the Deployment is at zero",
                async () => (await server.Client.GetAsync<V1Deployment>("chat", Other, ct)).Spec.Replicas == 0,
                ct
            );
            await world.UntilAsync(
                "the ScaledObject is paused",
                async () =>
                    (await server.Client.GetAsync<V1ScaledObject>("scaler", Other, ct)).Metadata.Annotations.ContainsKey(
                        "autoscaling.keda.sh/paused-replicas"
                    ),
                ct
            );
            await world.UntilAsync(
                "the InferenceService is stopped",
                async () =>
                    (await server.Client.GetAsync<V1Beta1InferenceService>("llama", Other, ct)).Metadata.Annotations.ContainsKey(
                        "serving.kserve.io/stop"
                    ),
                ct
            );
            await world.UntilAsync(
                "the Notebook is stopped",
                async () =>
                    (await server.Client.GetAsync<V1Notebook>("lab", Other, ct)).Metadata.Annotations.ContainsKey(
                        NotebookKind.StopAnnotation
                    ),
                ct
            );
            await world.UntilAsync(
                "Events report it",
                async () =>
                    (await world.EventsAsync(Team, ct)).Any(e =>
                        e.ReportingController == "bursar.dev/operator" && e.Note!.Contains("from its progress: ", StringComparison.Ordinal)
                    ),
                ct
            );

            await world.SetLimitAsync(Team, "jobs", "50", ct);
            await world.SetLimitAsync(Other, "chat", "50000", ct);
            await world.UntilAsync(
                "the job is resumed",
                async () => (await world.JobAsync(Team, "finetune", ct)).Spec.Suspend == false,
                ct
            );
            await world.UntilAsync(
                "the Deployment is back",
                async () => (await server.Client.GetAsync<V1Deployment>("chat", Other, ct)).Spec.Replicas == 1,
                ct
            );

            // Broken certificates, and another life of the operator: they are replaced.
            await world.StopOperatorAsync();
            foreach (var (name, ns, key) in new[] { ("bursar-ca", Own, "ca.crt"), ("bursar-agent-tls", Agents, "tls.crt") })
            {
                var secret = await server.Client.GetAsync<V1Secret>(name, ns, ct);
                var data = new JsonObject();
                foreach (var field in secret.Data.Keys)
                    data[field] = Convert.ToBase64String("broken"u8);
                await server.Client.PatchAsync<V1Secret>(name, ns, KubePatch.Merge(new JsonObject { ["data"] = data }), ct);
                secret.Data.Keys.Should().Contain(k => k == key || k.EndsWith(".crt", StringComparison.Ordinal));
            }
            await world.StartOperatorAsync(ct, options);
            await world.UntilAsync(
                "the certificates are whole again",
                async () =>
                    (await server.Client.GetAsync<V1Secret>("bursar-agent-tls", Agents, ct)).Data.Values.All(v =>
                        !v.AsSpan().SequenceEqual("broken"u8)
                    ),
                ct
            );
            await world.UntilAsync(
                "all agents answer under the new ones",
                async () =>
                    NodeNames.All(
                        (await world.MetricsAsync(ct))
                            .Where(s => s.Name == "bursar_agent_lag_seconds")
                            .Select(s => s.Label("node"))
                            .Contains
                    ),
                ct,
                TimeSpan.FromMinutes(2)
            );

            // The budget goes: its ledger goes with it in time.
            await world.SetLimitAsync(Team, "jobs", "0.01", ct);
            await world.UntilAsync(
                "the job is suspended again",
                async () => (await world.JobAsync(Team, "finetune", ct)).Spec.Suspend == true,
                ct
            );
            var scene = new Scene(world, Team);
            string[] kinds = [.. Kinds.All, "StatefulSet"];
            foreach (var kind in kinds)
                await Kinds.CreateAsync(scene, kind, kind.ToLowerInvariant(), Kinds.Spec(kind));
            foreach (var kind in kinds)
                await Kinds.UntilSuspendedAsync(scene, kind, kind.ToLowerInvariant());
            await CronJobTests.RunAsync(scene, "nightly-1", await CronJobTests.CronJobAsync(scene));
            await scene.UntilSuspendedAsync("nightly-1");
            (await CronJobTests.CronAsync(scene)).Spec.Suspend.Should().BeTrue();
            var kueue = new FakeKueue(scene) { Quota = 0 };
            await kueue.JobAsync("queued");
            await kueue.UntilAsync("its Workload is deactivated", async () => await kueue.IsActiveAsync("queued") == false);
            await ScaleAsync(account, server, ct);
            await scene.CreateAsync(
                $"/apis/bursar.dev/v1alpha1/namespaces/{Team}/inferencescalers",
                """
                {"apiVersion": "bursar.dev/v1alpha1", "kind": "InferenceScaler", "metadata": {"name": "nothing"},
                 "spec": {"scaleTargetRef": {"name": "not-there"}, "triggers": [{"type": "cron", "metadata": {"timezone": "UTC", "start": "0 6 * * *", "end": "0 20 * * *", "desiredReplicas": "2"}}]}}
                """
            );
            await world.UntilAsync(
                "the scaler reports that its target is missing",
                async () =>
                    (await server.GetAsync($"/apis/bursar.dev/v1alpha1/namespaces/{Team}/inferencescalers/nothing", ct))!
                        ["status"]
                        ?["conditions"]?.ToJsonString()
                        .Contains("TargetNotFound", StringComparison.Ordinal) == true,
                ct
            );
            await ReleaseAsync(account, ct);
            (await world.JobAsync(Team, "finetune", ct)).Spec.Suspend.Should().BeFalse();
            (await CronJobTests.CronAsync(scene)).Spec.Suspend.Should().BeFalse();
            (await kueue.IsActiveAsync("queued")).Should().BeTrue();
            foreach (var kind in kinds)
                (await Kinds.SuspendFieldAsync(scene, kind, kind.ToLowerInvariant())).Should().NotBe(true);
            await ReleaseAsync(account, ct);
            await server.Client.DeleteAsync<V1Alpha1GpuBudget>("jobs", Team, null, ct);
            await server.Client.DeleteAsync<V1Alpha1GpuBudget>("chat", Other, null, ct);
            await server.Client.DeleteAsync<V1Alpha1ClusterGpuBudget>("rights", null, null, ct);
            await world.PassAsync(TimeSpan.FromSeconds(3), ct);
        }
        finally
        {
            await world.StopOperatorAsync();
        }
    }

    /// <summary>A pod of the chart's DaemonSet, as its controller would make it.</summary>
    private static async Task PlaceAgentAsync(InstallServer server, string node, CancellationToken ct)
    {
        var template = (await server.GetAsync($"/apis/apps/v1/namespaces/{Agents}/daemonsets/bursar-agent", ct))!["spec"]!["template"]!;
        var pod = new JsonObject
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Pod",
            ["metadata"] = template["metadata"]!.DeepClone(),
            ["spec"] = template["spec"]!.DeepClone(),
        };
        pod["metadata"]!["name"] = $"bursar-agent-{node}";
        pod["spec"]!["nodeName"] = node;
        var made = await server.Client.CreateAsync<V1Pod>(pod, Agents, ct);
        var text = (await server.GetAsync($"/api/v1/namespaces/{Agents}/pods/{made.Metadata.Name}", ct))!["spec"]!;
        ((string?)text["serviceAccountName"]).Should().Be("bursar-agent");
        text["volumes"]!.AsArray().Should().NotContain(v => v!["projected"] != null, "it is given no token");
    }

    /// <summary>Agents send no request to the API server, and their account's token has no rights.</summary>
    private static async Task AgentsHaveNoRightsAsync(InstallServer server, CancellationToken ct)
    {
        (await RequestsAsync(server.Plane!, $"system:serviceaccount:{Agents}:bursar-agent", ct)).Should().BeEmpty();
        using var agent = new KubeClient(await server.ServiceAccountAsync(Agents, "bursar-agent", ct));
        foreach (var ns in (string[])[Agents, Own, Team])
        {
            using var body = new StringContent(
                $$$"""{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectRulesReview","spec":{"namespace":"{{{ns}}}"}}""",
                System.Text.Encoding.UTF8,
                "application/json"
            );
            var rules = (await agent.RequestAsync(HttpMethod.Post, "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", body, ct))![
                "status"
            ]!["resourceRules"]!.AsArray();
            rules
                .SelectMany(rule => rule!["apiGroups"]!.AsArray().Select(group => (string)group!))
                .Should()
                .OnlyContain(
                    group => group == "authorization.k8s.io" || group == "authentication.k8s.io",
                    "everybody may ask who he is and what he may"
                );
        }
    }

    /// <summary>The number of what is scaled and never suspended.</summary>
    private static async Task ScaleAsync(KubeConfig account, InstallServer server, CancellationToken ct)
    {
        using var client = new KubeClient(account);
        var actor = new ScaleActor(client, new(client, Own), new(client, Own, TimeProvider.System, NullLogger<LedgerStore>.Instance));
        foreach (var entity in (EntityKind[])[V1Alpha1Rollout.EntityKind, V1Alpha1DynamoScalingAdapter.EntityKind])
        {
            using var body = new StringContent(
                $$$"""{"apiVersion": "{{{entity.ApiVersion}}}", "kind": "{{{entity.Kind}}}", "metadata": {"name": "scaled"}, "spec": {"replicas": 1}}""",
                System.Text.Encoding.UTF8,
                "application/json"
            );
            var uid = (string)(await server.Client.RequestAsync(HttpMethod.Post, entity.Path(Team), body, ct))!["metadata"]!["uid"]!;
            (
                await actor.ScaleAsync(
                    new(Team, "scaler", "u"),
                    new()
                    {
                        Entity = entity,
                        Namespace = Team,
                        Name = "scaled",
                        Uid = uid,
                        Replicas = 1,
                    },
                    2,
                    ct
                )
            ).Should().Be(WriteOutcome.Done);
        }
    }

    /// <summary>The work of the chart's uninstall hook, under the operator's rights, which are the hook's too.</summary>
    private static async Task ReleaseAsync(KubeConfig account, CancellationToken ct)
    {
        using var client = new KubeClient(account);
        using var text = new StringWriter();
        (await ReleaseCommand.RunAsync(client, Own, new(null, null, DryRun: false), text, ct)).Should().Be(0, "{0}", text);
    }

    private static async Task<IReadOnlyList<Request>> RequestsAsync(ControlPlane plane, string user, CancellationToken ct)
    {
        var requests = new List<Request>();
        using var log = new StreamReader(new FileStream(plane.AuditLogPath!, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        while (await log.ReadLineAsync(ct) is { } line)
        {
            if (JsonNode.Parse(line) is not { } entry || (string?)entry["user"]!["username"] != user || entry["objectRef"] is not { } about)
                continue;
            var subresource = (string?)about["subresource"];
            requests.Add(
                new(
                    (string?)about["apiGroup"] ?? "",
                    (string?)about["resource"] + (subresource is null ? "" : "/" + subresource),
                    (string?)entry["verb"] ?? "",
                    (string?)about["namespace"],
                    (string?)about["name"],
                    (int?)entry["responseStatus"]?["code"] ?? 0
                )
            );
        }
        return requests;
    }

    /// <summary>The rights that the server holds for the ServiceAccount, one verb on one resource each.</summary>
    private static async Task<IReadOnlyList<Right>> RightsAsync(InstallServer server, CancellationToken ct)
    {
        var rights = new List<Right>();
        void Read(string? ns, JsonNode role)
        {
            foreach (var rule in role["rules"]!.AsArray())
            foreach (var group in rule!["apiGroups"]!.AsArray())
            foreach (var resource in rule["resources"]!.AsArray())
            foreach (var verb in rule["verbs"]!.AsArray())
            foreach (var name in rule["resourceNames"]?.AsArray() ?? [null])
                rights.Add(new((string)group!, (string)resource!, (string)verb!, ns, (string?)name));
        }
        Read(null, (await server.GetAsync("/apis/rbac.authorization.k8s.io/v1/clusterroles/bursar", ct))!);
        foreach (
            var role in (await server.GetAsync("/apis/rbac.authorization.k8s.io/v1/roles", ct))!["items"]!
                .AsArray()
                .Where(r => (string?)r!["metadata"]!["name"] == "bursar")
        )
            Read((string?)role!["metadata"]!["namespace"], role);
        return rights;
    }

    private static Task CreateOptionalKindAsync(
        InstallServer server,
        string plural,
        string kind,
        string group,
        string version,
        CancellationToken ct
    ) =>
        server.Client.CreateAsync<V1CustomResourceDefinition>(
            (JsonObject)
                YamlBody.Parse(
                    $$$"""
                    metadata: {name: {{{plural}}}.{{{group}}}}
                    spec:
                      group: {{{group}}}
                      names: {kind: {{{kind}}}, plural: {{{plural}}}, singular: {{{kind.ToLowerInvariant()}}}}
                      scope: Namespaced
                      versions:
                      - name: {{{version}}}
                        served: true
                        storage: true
                        schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
                        subresources: {{{(
                        WorkloadKinds.Find(kind) is { Scales: true } || ScalableKinds.ScaledOnly.Contains(kind)
                            ? "{scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}}"
                            : "{}"
                    )}}}
                    """
                )!,
            null,
            ct
        );

    private sealed record Request(string Group, string Resource, string Verb, string? Namespace, string? Name, int Code);

    private sealed record Right(string Group, string Resource, string Verb, string? Namespace, string? Name)
    {
        public bool Allows(Request request) =>
            Group == request.Group
            && Resource == request.Resource
            && Verb == request.Verb
            && (Namespace is null || Namespace == request.Namespace)
            && (Name is null || Name == request.Name);

        public override string ToString() =>
            string.Join(' ', new[] { Group, Resource, Verb, Namespace, Name }.Where(p => !string.IsNullOrEmpty(p)));
    }
}
