using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Text;
using Bursar.Demo;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Hosting;
using Bursar.Sandbox.Controllers;
using Bursar.Sandbox.Nodes;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.EndToEnd.Worlds;

/// <summary>
/// A cluster with simulated nodes and the real operator, on the Sandbox in virtual time or on a real control plane in wall time. Tests use
/// both in the same way.
/// </summary>
public abstract class ClusterWorld : IAsyncDisposable
{
    public const string OwnNamespace = "bursar-system";
    public const string AgentNamespace = "bursar-agents";

    private NodeSimulator? _nodes;
    private readonly List<Replica> _killed = [];
    private Replica? _replica;

    public required KubeClient Client { get; init; }

    public required KubeConfig Config { get; init; }

    public required TimeProvider Time { get; init; }

    internal OperatorParts? Operator { get; private set; }

    /// <summary>The metrics page of the running operator, as Prometheus reads it.</summary>
    public Task<List<PrometheusSample>> MetricsAsync(CancellationToken ct) => _replica!.MetricsAsync(ct);

    /// <summary>The user agent of the world's own client (the test, the nodes, the controllers), never that of an operator.</summary>
    public const string OwnAgent = "kubectl-world/1";

    public NodeSimulator Nodes => _nodes!;

    protected abstract bool HasScheduler { get; }

    public static Task<ClusterWorld> StartAsync(bool real, CancellationToken ct, params FleetNode[] fleet) =>
        StartAsync(real, agents: null, ct, fleet);

    /// <param name="real">Whether on a real control plane.</param>
    /// <param name="agents">Where each node's agent runs; null runs none.</param>
    /// <param name="ct">Ends the start.</param>
    /// <param name="fleet">The nodes.</param>
    public static Task<ClusterWorld> StartAsync(bool real, AgentPlacement? agents, CancellationToken ct, params FleetNode[] fleet) =>
        StartAsync(real, agents, ct, autoscalerSync: null, fleet);

    /// <param name="autoscalerSync">On a real control plane also the HPA controller, looking this often; null runs none.</param>
    public static async Task<ClusterWorld> StartAsync(
        bool real,
        AgentPlacement? agents,
        CancellationToken ct,
        TimeSpan? autoscalerSync,
        params FleetNode[] fleet
    )
    {
        ClusterWorld world = real ? await RealWorld.StartAsync(ct, autoscalerSync) : await SandboxWorld.StartAsync(ct);
        foreach (var (_, yaml) in CrdFiles.ReadAll())
            await world.PostYamlAsync("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", yaml, ct);
        await world.CreateNamespaceAsync(OwnNamespace, ct);
        await world.CreateNamespaceAsync(AgentNamespace, ct);
        await world.UntilAsync(
            "the CRDs are served",
            async () =>
            {
                try
                {
                    await world.Client.ListAsync<V1Alpha1GpuBudget>(new(), ct);
                    await world.Client.ListAsync<V1Alpha1ClusterGpuBudget>(new(), ct);
                    await world.Client.ListAsync<V1Alpha1GpuBudgetRequest>(new(), ct);
                    await world.Client.ListAsync<V1Alpha1GpuPriceBook>(new(), ct);
                    await world.Client.ListAsync<V1Alpha1GpuLedger>(new(), ct);
                    await world.Client.ListAsync<V1Alpha1InferenceScaler>(new(), ct);
                    return true;
                }
                catch (ApiException error) when (error.IsNotFound)
                {
                    return false;
                }
            },
            ct
        );
        world._nodes = await NodeSimulator.StartAsync(
            world.Client,
            new()
            {
                Fleet = fleet,
                Bind = !world.HasScheduler,
                ImagePull = TimeSpan.FromSeconds(1),
                Agents = agents,
            },
            ct
        );
        return world;
    }

    /// <summary>Starts the operator and waits until it leads.</summary>
    internal async Task<Replica> StartOperatorAsync(CancellationToken ct, OperatorOptions? options = null, bool restart = false)
    {
        _replica = StartReplica(options ?? new(), restart);
        Operator = await _replica.LeadsAsync(ct);
        return _replica;
    }

    /// <summary>Starts one more operator, which may have to wait for the lease.</summary>
    internal Replica StartReplica(OperatorOptions options, bool restart = false) =>
        new(
            options with
            {
                MetricsAddress = "127.0.0.1:0",
                Namespace = OwnNamespace,
                AgentNamespace = AgentNamespace,
            },
            Config,
            Time,
            restart
        );

    public async Task StopOperatorAsync()
    {
        if (_replica is null)
            return;
        await EndAsync(_replica);
        _replica = null;
        Operator = null;
    }

    /// <summary>
    /// Lets the operator end after it was cut off from the API server, while no time passes. Like a killed process, it sends nothing more.
    /// </summary>
    public async Task AbandonOperatorAsync()
    {
        await _replica!.CancelAsync();
        _killed.Add(_replica);
        _replica = null;
        Operator = null;
    }

    private async Task EndAsync(Replica replica)
    {
        await replica.CancelAsync();
        // The operator may be waiting, in this world's time, for an answer to its last request.
        while (await Task.WhenAny(replica.Running, Task.Delay(20)) != replica.Running)
            await PassAsync(TimeSpan.FromMilliseconds(100), CancellationToken.None);
        await replica.DisposeAsync();
    }

    public virtual Task CreateNamespaceAsync(string name, CancellationToken ct) =>
        PostJsonAsync(
            "/api/v1/namespaces",
            new()
            {
                ["apiVersion"] = "v1",
                ["kind"] = "Namespace",
                ["metadata"] = new JsonObject { ["name"] = name },
            },
            ct
        );

    /// <summary>The period of budgets that name none; null for the default of the schema.</summary>
    protected virtual string? WindowPeriod => null;

    public Task CreateBudgetAsync(string ns, string name, string cost, CancellationToken ct, JsonObject? spec = null)
    {
        spec ??= [];
        spec["limit"] = new JsonObject { ["cost"] = cost };
        if (WindowPeriod is { } period && !spec.ContainsKey("window"))
            spec["window"] = new JsonObject { ["period"] = period };
        return PostJsonAsync(
            $"/apis/bursar.dev/v1alpha1/namespaces/{ns}/gpubudgets",
            new()
            {
                ["apiVersion"] = "bursar.dev/v1alpha1",
                ["kind"] = "GpuBudget",
                ["metadata"] = new JsonObject { ["name"] = name },
                ["spec"] = spec,
            },
            ct
        );
    }

    public Task CreateBookAsync(string product, string perGpuHour, CancellationToken ct) =>
        PostJsonAsync(
            "/apis/bursar.dev/v1alpha1/gpupricebooks",
            new()
            {
                ["apiVersion"] = "bursar.dev/v1alpha1",
                ["kind"] = "GpuPriceBook",
                ["metadata"] = new JsonObject { ["name"] = "test" },
                ["spec"] = new JsonObject
                {
                    ["default"] = true,
                    ["currency"] = "USD",
                    ["rates"] = new JsonArray(
                        new JsonObject
                        {
                            ["match"] = new JsonObject { ["product"] = product },
                            ["perGpuHour"] = perGpuHour,
                        }
                    ),
                },
            },
            ct
        );

    /// <summary>
    /// A training Job of one pod; annotations with <c>sim.bursar.dev/</c> and the port of its metrics go to its pods, the others of Bursar
    /// to the Job.
    /// </summary>
    public Task CreateJobAsync(string ns, string name, int gpus, CancellationToken ct, params (string Name, string Value)[] annotations)
    {
        JsonObject own = [],
            pods = [];
        foreach (var (key, value) in annotations)
            (key.StartsWith("sim.", StringComparison.Ordinal) || key == AgentTargets.PortAnnotation ? pods : own)[key] = value;
        return PostJsonAsync(
            $"/apis/batch/v1/namespaces/{ns}/jobs",
            new()
            {
                ["apiVersion"] = "batch/v1",
                ["kind"] = "Job",
                ["metadata"] = new JsonObject { ["name"] = name, ["annotations"] = own },
                ["spec"] = new JsonObject
                {
                    ["backoffLimit"] = 2,
                    ["template"] = new JsonObject
                    {
                        ["metadata"] = new JsonObject
                        {
                            ["labels"] = new JsonObject { ["app"] = name },
                            ["annotations"] = pods,
                        },
                        ["spec"] = PodSpec(gpus, "Never"),
                    },
                },
            },
            ct
        );
    }

    public Task CreateDeploymentAsync(
        string ns,
        string name,
        int replicas,
        int gpus,
        CancellationToken ct,
        params (string Name, string Value)[] annotations
    )
    {
        JsonObject pods = [];
        foreach (var (key, value) in annotations)
            pods[key] = value;
        return PostJsonAsync(
            $"/apis/apps/v1/namespaces/{ns}/deployments",
            new()
            {
                ["apiVersion"] = "apps/v1",
                ["kind"] = "Deployment",
                ["metadata"] = new JsonObject { ["name"] = name },
                ["spec"] = new JsonObject
                {
                    ["replicas"] = replicas,
                    ["selector"] = new JsonObject { ["matchLabels"] = new JsonObject { ["app"] = name } },
                    ["template"] = new JsonObject
                    {
                        ["metadata"] = new JsonObject
                        {
                            ["labels"] = new JsonObject { ["app"] = name },
                            ["annotations"] = pods,
                        },
                        ["spec"] = PodSpec(gpus, "Always"),
                    },
                },
            },
            ct
        );
    }

    public async Task SetLimitAsync(string ns, string name, string cost, CancellationToken ct) =>
        await Client.PatchAsync<V1Alpha1GpuBudget>(
            name,
            ns,
            KubePatch.Merge(new JsonObject { ["spec"] = new JsonObject { ["limit"] = new JsonObject { ["cost"] = cost } } }),
            ct
        );

    public Task<V1Job> JobAsync(string ns, string name, CancellationToken ct) => Client.GetAsync<V1Job>(name, ns, ct);

    public Task<V1Alpha1GpuBudget> BudgetAsync(string ns, string name, CancellationToken ct) =>
        Client.GetAsync<V1Alpha1GpuBudget>(name, ns, ct);

    public async Task<IReadOnlyList<V1Event>> EventsAsync(string ns, CancellationToken ct) =>
        (await Client.ListAsync<V1Event>(new() { Namespace = ns }, ct)).Items;

    /// <summary>Waits, in this world's time, until something holds; fails with its name after the limit.</summary>
    public async Task UntilAsync(string what, Func<Task<bool>> holds, CancellationToken ct, TimeSpan? within = null)
    {
        var limit = Time.GetUtcNow() + (within ?? TimeSpan.FromSeconds(60));
        // The first visible effect of a change must not be checked beside effects that are still to come.
        await PassAsync(TimeSpan.Zero, ct);
        while (!await holds())
        {
            if (Time.GetUtcNow() >= limit)
                throw new TimeoutException($"{what}: not so within {within ?? TimeSpan.FromSeconds(60)}\n{await DescribeAsync(ct)}");
            await PassAsync(TimeSpan.FromMilliseconds(500), ct);
        }
    }

    /// <summary>The state of the world, for a failure's message.</summary>
    public async Task<string> DescribeAsync(CancellationToken ct)
    {
        var text = new StringBuilder();
        foreach (
            var path in (string[])
                [
                    "/apis/bursar.dev/v1alpha1/gpubudgets",
                    "/apis/bursar.dev/v1alpha1/inferencescalers",
                    "/apis/batch/v1/jobs",
                    "/apis/apps/v1/deployments",
                    "/api/v1/pods",
                    "/api/v1/nodes",
                ]
        )
        {
            text.AppendLine(path);
            foreach (var item in (await Client.RequestAsync(HttpMethod.Get, path, null, ct))?["items"]?.AsArray() ?? [])
            {
                text.AppendLine(
                    CultureInfo.InvariantCulture,
                    $"  {item!["metadata"]!["namespace"]}/{item["metadata"]!["name"]} {item["status"]?["phase"]}"
                );
                if (path.StartsWith("/apis/", StringComparison.Ordinal) && item["status"] is JsonObject status)
                    foreach (var (name, value) in status)
                        text.AppendLine(CultureInfo.InvariantCulture, $"    {name}: {value?.ToJsonString()}");
            }
        }
        text.AppendLine("Events");
        foreach (
            var item in (await Client.RequestAsync(HttpMethod.Get, "/apis/events.k8s.io/v1/events", null, ct))?["items"]?.AsArray() ?? []
        )
            text.AppendLine(
                CultureInfo.InvariantCulture,
                $"  {item!["eventTime"] ?? item["deprecatedFirstTimestamp"]} {item["regarding"]?["kind"]}/{item["regarding"]?["name"]} {item["reason"]}: {item["note"]}"
            );
        return text.ToString();
    }

    /// <summary>Lets time go by.</summary>
    public abstract Task PassAsync(TimeSpan time, CancellationToken ct);

    public virtual async ValueTask DisposeAsync()
    {
        await StopOperatorAsync();
        foreach (var killed in _killed)
            await EndAsync(killed);
        if (_nodes is not null)
            await _nodes.DisposeAsync();
        Client.Dispose();
        GC.SuppressFinalize(this);
    }

    public Task PostJsonAsync(string path, JsonObject body, CancellationToken ct) =>
        Client.RequestAsync(HttpMethod.Post, path, new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json"), ct);

    private Task PostYamlAsync(string path, string yaml, CancellationToken ct) =>
        Client.RequestAsync(HttpMethod.Post, path, new StringContent(yaml, Encoding.UTF8, "application/yaml"), ct);

    private static JsonObject PodSpec(int gpus, string restart) =>
        new()
        {
            ["restartPolicy"] = restart,
            ["terminationGracePeriodSeconds"] = 5,
            ["containers"] = new JsonArray(
                new JsonObject
                {
                    ["name"] = "main",
                    ["image"] = "example/trainer",
                    ["resources"] = new JsonObject { ["limits"] = new JsonObject { ["nvidia.com/gpu"] = gpus.ToString() } },
                }
            ),
        };
}

/// <summary>The embedded cluster under a stepped clock.</summary>
public sealed class SandboxWorld : ClusterWorld
{
    private static readonly DateTimeOffset Start = new(2026, 11, 21, 9, 0, 0, TimeSpan.Zero);

    private BuiltInControllers? _controllers;

    public required Bursar.Sandbox.Sandbox Server { get; init; }

    protected override bool HasScheduler => false;

    public static async Task<SandboxWorld> StartAsync(CancellationToken ct)
    {
        var time = new VirtualTimeProvider(Start);
        var server = await Bursar.Sandbox.Sandbox.StartAsync(new() { Time = time }, ct);
        var path = Path.Combine(Path.GetTempPath(), $"bursar-{Guid.NewGuid():N}.kubeconfig");
        await server.WriteKubeconfigAsync(path, ct);
        var config = KubeConfig.FromFile(path);
        File.Delete(path);
        var client = new KubeClient(config, new() { TimeProvider = time, UserAgent = OwnAgent });
        var world = new SandboxWorld
        {
            Server = server,
            Client = client,
            Config = config,
            Time = time,
        };
        world._controllers = await BuiltInControllers.StartAsync(client, 1, ct);
        return world;
    }

    public override Task PassAsync(TimeSpan time, CancellationToken ct) => ((VirtualTimeProvider)Time).AdvanceAsync(time, ct);

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        if (_controllers is not null)
            await _controllers.DisposeAsync();
        await Server.DisposeAsync();
    }
}

/// <summary>A real kube-apiserver with its controller manager and scheduler, in wall time.</summary>
public sealed class RealWorld : ClusterWorld
{
    private const string Controllers =
        "job-controller,cronjob-controller,statefulset-controller,deployment-controller,replicaset-controller,namespace-controller,garbage-collector-controller,serviceaccount-controller,node-lifecycle-controller";

    public required ControlPlane Plane { get; init; }

    protected override bool HasScheduler => Plane.HasScheduler;

    /// <summary>
    /// A period that lasts for some days more. In the last hours of a month, most of a job's cost would fall into the next window.
    /// </summary>
    protected override string? WindowPeriod
    {
        get
        {
            var (now, enough) = (Time.GetUtcNow().UtcDateTime, TimeSpan.FromDays(3));
            var month = new DateTime(now.Year, now.Month, 1).AddMonths(1) - now;
            var week = TimeSpan.FromDays(7 - ((int)now.DayOfWeek + 6) % 7) - now.TimeOfDay;
            return month > enough ? null
                : week > enough ? "Week"
                : "Year";
        }
    }

    public static async Task<RealWorld> StartAsync(CancellationToken ct, TimeSpan? autoscalerSync = null)
    {
        var plane = autoscalerSync is { } sync
            ? await ControlPlane.StartAsync(
                $"{Controllers},horizontal-pod-autoscaler-controller",
                withScheduler: true,
                withServiceAccounts: true,
                auditPolicy: null,
                controllersHaveAccounts: false,
                [string.Create(CultureInfo.InvariantCulture, $"--horizontal-pod-autoscaler-sync-period={sync.TotalSeconds}s")],
                ct
            )
            : await ControlPlane.StartAsync(Controllers, withScheduler: true, withServiceAccounts: true, ct);
        var config = KubeConfig.FromFile(plane.KubeconfigPath);
        return new()
        {
            Plane = plane,
            Config = config,
            Client = new(config, new() { UserAgent = OwnAgent }),
            Time = TimeProvider.System,
        };
    }

    public override Task PassAsync(TimeSpan time, CancellationToken ct) => Task.Delay(time, ct);

    /// <summary>Creates the namespace and waits for its ServiceAccount, without which pods are refused.</summary>
    public override async Task CreateNamespaceAsync(string name, CancellationToken ct)
    {
        await base.CreateNamespaceAsync(name, ct);
        if (!Plane.HasControllerManager)
            await PostJsonAsync(
                $"/api/v1/namespaces/{name}/serviceaccounts",
                new()
                {
                    ["apiVersion"] = "v1",
                    ["kind"] = "ServiceAccount",
                    ["metadata"] = new JsonObject { ["name"] = "default" },
                },
                ct
            );
        await UntilAsync(
            $"namespace {name} has its ServiceAccount",
            async () =>
                (await Client.RequestAsync(HttpMethod.Get, $"/api/v1/namespaces/{name}/serviceaccounts", null, ct))
                    ?["items"]?.AsArray()
                    .Count > 0,
            ct
        );
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        await Plane.DisposeAsync();
    }
}
