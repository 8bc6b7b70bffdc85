using Bursar.Api;
using Bursar.Concurrency;
using Bursar.Kubernetes.Events;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Billing;
using Bursar.Operator.Budgets;
using Bursar.Operator.Http;
using Bursar.Operator.Safety;
using Bursar.Operator.Scaling;
using Bursar.Operator.Scaling.Signals;
using Bursar.Operator.Telemetry;
using Bursar.Tests.EndToEnd.Worlds;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Tests.EndToEnd;

/// <summary>The scaler loop alone, asked while it decides.</summary>
public sealed class ScalerLoopTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task Query_during_a_pass_gets_the_former_decision()
    {
        var scene = await Scene.SandboxAsync("scaler-loop", startOperator: false);
        await using var disposed = scene.World;
        await using var world = await ScaleWorld.OpenAsync(scene);
        var (time, stores, ledger) = (scene.World.Time, world.Stores, world.Ledger);
        await scene.World.CreateDeploymentAsync(scene.Team, "chat", 1, 1, Ct);
        await world.CreateAsync(
            V1Alpha1InferenceScaler.EntityKind,
            "chat",
            """
            "spec": {"scaleTargetRef": {"name": "chat"}, "minReplicaCount": 1, "maxReplicaCount": 3, "triggers": [{"type": "prometheus", "metadata": {"query": "up", "threshold": "1"}}]}
            """
        );
        await world.UntilAsync(V1Deployment.EntityKind, "chat", target => target.Replicas == 1);
        await scene.UntilAsync("the cache has the scaler", () => Task.FromResult(stores.Scalers.Store.Get(scene.Team, "chat") is not null));

        ScalerStore? scalers = null;
        var asked = new List<ScalerResult?>();
        var key = new ObjectKey(scene.Team, "chat");
        // A pass asks for the names of the sources in its middle, as a call of KEDA's might come then.
        string[] Sources()
        {
            asked.Add(scalers?.LastOf(key));
            return ["main"];
        }
        var brake = new CircuitBreaker(() => 0);
        var control = new ObserveOnlyMode(brake);
        var prices = new PriceList(stores, ledger, time);
        var prometheus = new PrometheusPoller((_, _, _) => Task.FromResult(PromAnswer.From(1)), time);
        var meter = new TriggerMeter(new(_ => null, time), prometheus, Sources, time);
        var rates = new WorkloadRates(stores, ledger, prices, new NodeMeter(stores, ledger, world.Client, prices, time));
        var observer = new ScalerObserver(stores, prices, rates, meter, control, time);
        using var metrics = new OperatorMetrics(time);
        var reporter = new ScalerReporter(new EventRecorder(world.Client, new() { ReportingInstance = "test" }), metrics, time);
        var elastic = new ElasticTargets();
        scalers = new(stores, world.Targets, meter, elastic, reporter, time);
        var guests = new ExternalScalerClients(stores, world.Targets, observer, control, time) { LastOf = scalers.LastOf };
        var over = new TargetBudgets(stores, new DecisionStore());
        var evaluator = new ScalerEvaluator(scalers, world.State, observer, over, guests, elastic, reporter);
        var actor = new ScalerActor(world.State, world.Actor, reporter, control, time, NullLogger<ScalerActor>.Instance);
        var statuses = new ScalerStatusWriter(world.Client, new WriteRateLimiter(time), time, NullLogger<ScalerStatusWriter>.Instance);
        var loop = new ScalerLoop(world.Client, stores, evaluator, actor, statuses, guests, NullLogger<ScalerLoop>.Instance);
        var decided = 0;
        evaluator.Decided += () => Interlocked.Increment(ref decided);

        using var end = new CancellationTokenSource();
        var running = loop.RunAsync(end.Token);
        loop.Wake(scene.Team);
        await scene.UntilAsync("it has decided", () => Task.FromResult(Volatile.Read(ref decided) == 1));
        var first = scalers.LastOf(key);
        first.Should().NotBeNull();
        asked.Should().NotBeEmpty().And.OnlyContain(result => result == null, "before the first decision there is none");
        asked.Clear();
        loop.Wake(scene.Team);
        await scene.UntilAsync("it has decided again", () => Task.FromResult(Volatile.Read(ref decided) == 2));
        await end.CancelAsync();
        await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);

        asked.Should().NotBeEmpty().And.OnlyContain(result => ReferenceEquals(result, first));
        scalers.LastOf(key).Should().NotBeNull().And.NotBeSameAs(first);
    }

    [Fact]
    public async Task Deleted_budgets_are_not_counted_for_a_target()
    {
        var scene = await Scene.SandboxAsync("scaler-budgets", startOperator: false);
        await using var disposed = scene.World;
        await using var world = await ScaleWorld.OpenAsync(scene);
        var over = new TargetBudgets(world.Stores, new DecisionStore());
        for (var i = 0; i < 3; i++)
            await scene.BudgetAsync("10", name: $"b{i}");
        await scene.UntilAsync("the cache has them", () => Task.FromResult(world.Stores.Budgets.Store.Count == 3));
        over.For(scene.Team, new Dictionary<string, string>(), null, "chat").Budgets.Should().HaveCount(3);

        for (var i = 0; i < 2; i++)
            await world.DeleteAsync(V1Alpha1GpuBudget.EntityKind, $"b{i}");
        await scene.UntilAsync("the cache has lost two", () => Task.FromResult(world.Stores.Budgets.Store.Count == 1));
        over.For(scene.Team, new Dictionary<string, string>(), null, "chat").Budgets.Should().ContainSingle();
    }
}
