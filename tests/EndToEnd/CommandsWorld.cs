using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.State;
using Bursar.Demo;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox;
using Bursar.Sandbox.ApiServer;

namespace Bursar.Tests.EndToEnd;

/// <summary>A Sandbox with Bursar's kinds and a ledger, as an operator that is gone has left it.</summary>
internal sealed class CommandsWorld : IAsyncDisposable
{
    public const string BursarNamespace = "bursar-system";
    public const string Team = "team-vision";
    public const string OtherTeam = "team-speech";
    public static readonly DateTimeOffset Decided = new(2026, 11, 2, 8, 10, 0, TimeSpan.Zero);

    private readonly Bursar.Sandbox.Sandbox _sandbox;

    private CommandsWorld(Bursar.Sandbox.Sandbox sandbox, KubeClient client)
    {
        _sandbox = sandbox;
        Client = client;
    }

    public KubeClient Client { get; }

    public static async Task<CommandsWorld> StartAsync()
    {
        var sandbox = await Bursar.Sandbox.Sandbox.StartAsync(new SandboxOptions(), CancellationToken.None);
        var config = new KubeConfig
        {
            Server = sandbox.Address,
            CertificateAuthorityPem = sandbox.CertificateAuthority,
            Token = sandbox.Token,
        };
        var world = new CommandsWorld(sandbox, new KubeClient(config));
        foreach (var (_, yaml) in CrdFiles.ReadAll())
            await world.Client.CreateAsync<V1CustomResourceDefinition>((JsonObject)YamlBody.Parse(yaml)!, null, CancellationToken.None);
        foreach (var ns in new[] { BursarNamespace, Team, OtherTeam })
            await world.Client.CreateAsync(new V1Namespace { Metadata = new() { Name = ns } }, CancellationToken.None);
        return world;
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _sandbox.DisposeAsync();
    }

    /// <summary>Makes the API server forbid this verb on this resource.</summary>
    public void Refuse(string verb, string resource) =>
        _sandbox.Faults.Add(new FaultRule(new Fault.Answer(403)) { Verb = verb, Resource = resource });

    /// <summary>The next such request fails, after it took place or before.</summary>
    public void Fail(string verb, string resource, bool happens) =>
        _sandbox.Faults.Add(
            new FaultRule(happens ? new Fault.AnswerAfter(500) : new Fault.Answer(500))
            {
                Verb = verb,
                Resource = resource,
                Times = 1,
            }
        );

    public Task<V1Alpha1GpuBudget> CreateBudgetAsync(string name, string limit) =>
        Client.CreateAsync(
            new V1Alpha1GpuBudget
            {
                Metadata = new() { Name = name, Namespace = Team },
                Spec = new() { Limit = new() { Cost = limit } },
            },
            CancellationToken.None
        );

    public Task<V1Alpha1ClusterGpuBudget> CreateClusterBudgetAsync(string name, string limit, params IReadOnlyList<string> namespaces) =>
        Client.CreateAsync(
            new V1Alpha1ClusterGpuBudget
            {
                Metadata = new() { Name = name },
                Spec = new()
                {
                    Limit = new() { Cost = limit },
                    Namespaces = namespaces,
                },
            },
            CancellationToken.None
        );

    public async Task<V1Job> CreateJobAsync(string name, bool suspended, string ns = Team) =>
        await Client.CreateAsync<V1Job>(
            (JsonObject)
                YamlBody.Parse(
                    $$$"""
                    metadata: {name: {{{name}}}, namespace: {{{ns}}}}
                    spec:
                      suspend: {{{(suspended ? "true" : "false")}}}
                      template:
                        spec:
                          restartPolicy: Never
                          containers:
                          - name: main
                            image: train:1
                            resources: {limits: {nvidia.com/gpu: 1}}
                    """
                )!,
            ns,
            CancellationToken.None
        );

    public async Task<V1Deployment> CreateDeploymentAsync(string name, int replicas) =>
        await Client.CreateAsync<V1Deployment>(
            (JsonObject)
                YamlBody.Parse(
                    $$$"""
                    metadata: {name: {{{name}}}, namespace: {{{Team}}}}
                    spec:
                      replicas: {{{replicas}}}
                      selector:
                        matchLabels: {app: {{{name}}}}
                      template:
                        metadata:
                          labels: {app: {{{name}}}}
                        spec:
                          containers: [{name: main, image: "serve:1"}]
                    """
                )!,
            Team,
            CancellationToken.None
        );

    /// <summary>Deletes a job and waits until it is gone. The garbage collector removes its finalizer first.</summary>
    public async Task DeleteJobAsync(string name)
    {
        await Client.DeleteAsync<V1Job>(name, Team, null, CancellationToken.None);
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (await Client.GetOrNullAsync<V1Job>(name, Team, deadline.Token) is not null)
            await Task.Delay(20, deadline.Token);
    }

    public async Task<bool?> IsSuspendedAsync(string job, string ns = Team) =>
        (await Client.GetAsync<V1Job>(job, ns, CancellationToken.None)).Spec.Suspend;

    public async Task<int> ReplicasAsync(string deployment) =>
        (await Client.GetAsync<V1Deployment>(deployment, Team, CancellationToken.None)).Spec.Replicas ?? 1;

    /// <summary>The suspensions in the ledger, of any budget.</summary>
    public async Task<IReadOnlyList<string>> SuspendedAsync()
    {
        var list = await Client.ListAsync<V1Alpha1GpuLedger>(new() { Namespace = BursarNamespace }, CancellationToken.None);
        return
        [
            .. list
                .Items.Select(i => i.Spec!.Data.Deserialize(LedgerJson.Default.LedgerShard)!)
                .SelectMany(s => s.Suspensions ?? [])
                .Select(p => $"{p.Kind}/{p.Name}")
                .Order(StringComparer.Ordinal),
        ];
    }

    /// <summary>Writes shards as the operator would.</summary>
    public Task StoreAsync(OperatorState state) => StoreAsync(state.DirtyShards());

    public Task StoreAsync(GpuLedger ledger) => StoreAsync(ledger.DirtyShards());

    private async Task StoreAsync(IReadOnlyList<LedgerShard> shards)
    {
        foreach (var shard in shards)
            await Client.CreateAsync(
                new V1Alpha1GpuLedger
                {
                    Metadata = new() { Name = shard.Name, Namespace = BursarNamespace },
                    Spec = new()
                    {
                        Kind = shard.Kind,
                        Namespace = shard.Namespace,
                        Day = shard.Day,
                        Shard = shard.Index,
                        Data = JsonSerializer.SerializeToElement(shard, LedgerJson.Default.LedgerShard),
                    },
                },
                CancellationToken.None
            );
    }

    public static SuspensionRecord OfJob(V1Job job, BudgetObject budget) =>
        Record(job, budget, "batch/v1", "/spec/suspend", "false", "true");

    public static SuspensionRecord OfDeployment(V1Deployment deployment, V1Alpha1GpuBudget budget, int original) =>
        Record(deployment, budget, "apps/v1", "/spec/replicas", $"{original}", "0");

    /// <summary>A running job at $3.06 an hour with 30,000 steps of 90 ms, against a limit of $2.</summary>
    public static BudgetSnapshot Overrun(BudgetObject budget, V1Job job)
    {
        var terms = new BudgetTerms
        {
            Limit = Amount.FromDecimal(2m),
            Window = new WindowSpec(WindowPeriod.Month),
            Settle = TimeSpan.Zero,
        };
        var rate = HourlyCost.FromDecimal(3.06m);
        return new()
        {
            Namespace = budget.Metadata.Namespace ?? "",
            Name = budget.Metadata.Name,
            Uid = budget.Metadata.Uid,
            Now = Decided,
            Terms = terms,
            Window = Window.At(terms.Window, Decided),
            Spent = rate.For(TimeSpan.FromSeconds(9)),
            BurnRate = rate,
            Memory = new(),
            Workloads =
            [
                new()
                {
                    Key = new(job.Metadata.Namespace!, "Job", job.Metadata.Name, job.Metadata.Uid),
                    Class = WorkloadClass.Training,
                    State = WorkloadState.Running,
                    CreatedAt = Decided - TimeSpan.FromMinutes(1),
                    Gpus = 1,
                    Rate = rate,
                    BurnRate = rate,
                    Spent = rate.For(TimeSpan.FromSeconds(9)),
                    Estimate = new(
                        TimeSpan.FromSeconds(2600),
                        TimeSpan.FromSeconds(2691),
                        TimeSpan.FromSeconds(2800),
                        EstimateSource.Progress,
                        true,
                        "0.09 s per step over 100 steps"
                    ),
                },
            ],
        };
    }

    private static SuspensionRecord Record(
        IKubernetesObject target,
        BudgetObject budget,
        string version,
        string pointer,
        string original,
        string value
    ) =>
        new()
        {
            Workload = new(target.Metadata.Namespace!, target.Kind, target.Metadata.Name, target.Metadata.Uid),
            ApiVersion = version,
            Field = new(new(version, target.Kind, target.Metadata.Name, target.Metadata.Uid), pointer, original, value),
            Since = Decided,
            Cause = new() { Since = Decided, Reason = Reasons.ProjectedOverBudget },
            Reason = Reasons.ProjectedOverBudget,
            Budget = budget.Metadata.Name,
            BudgetUid = budget.Metadata.Uid,
            IsClusterBudget = budget is V1Alpha1ClusterGpuBudget,
            CostToFinish = HourlyCost.FromDecimal(3.06m).For(TimeSpan.FromSeconds(2691)),
        };
}
