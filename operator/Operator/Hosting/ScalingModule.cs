using Bursar.Api;
using Bursar.Concurrency;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Scaling;
using Bursar.Operator.Scaling.External;
using Bursar.Operator.Scaling.Signals;
using Bursar.Operator.Scaling.Targets;

namespace Bursar.Operator.Hosting;

/// <summary>The scaler controller: replicas follow demand within what the budgets can afford.</summary>
internal sealed class ScalingModule : IAsyncDisposable
{
    private readonly LeaderContext _context;
    private readonly PrometheusSources _sources;
    private readonly PrometheusPoller _prometheus;
    private readonly ScalerEvaluator _evaluator;
    private readonly ScalerLoop _scalers;
    private readonly ScaledReleaser _releaser;
    private readonly ExternalScalerClients _externalClients;
    private ExternalScalerEndpoint? _external;

    public ScalingModule(
        LeaderContext context,
        SafetyModule safety,
        TelemetryModule telemetry,
        BillingModule billing,
        BudgetsModule budgets
    )
    {
        _context = context;
        var (client, stores, state, time) = (context.Client, context.Stores, context.State, context.Time);
        _sources = new(context.Options.PrometheusSources, time, context.Logger<PrometheusSources>());
        _prometheus = new(_sources.QueryAsync, time);
        var signals = new SignalCache(uid => stores.Pods.Store.GetByUid(uid)?.Spec.NodeName, time);
        var meter = new TriggerMeter(signals, _prometheus, () => _sources.Names, time);
        var targets = new ScaleTargets(stores);
        var actor = new ScaleActor(client, stores, context.Store);
        var observer = new ScalerObserver(stores, billing.Prices, billing.Rates, meter, safety.Control, time);
        var reporter = new ScalerReporter(context.Recorder, context.Metrics, time);
        var scalers = new ScalerStore(stores, targets, meter, budgets.Elastic, reporter, time);
        _externalClients = new(stores, targets, observer, safety.Control, time) { LastOf = scalers.LastOf };
        _evaluator = new(
            scalers,
            state,
            observer,
            new TargetBudgets(stores, context.Decisions),
            _externalClients,
            budgets.Elastic,
            reporter
        );
        var scalerActor = new ScalerActor(state, actor, reporter, safety.Control, time, context.Logger<ScalerActor>());
        _scalers = new(
            client,
            stores,
            _evaluator,
            scalerActor,
            new ScalerStatusWriter(client, safety.RateLimiter, time, context.Logger<ScalerStatusWriter>()),
            _externalClients,
            context.Logger<ScalerLoop>()
        );
        _releaser = new(state, actor, targets.IsInUse, safety.Control, client, context.Logger<ScaledReleaser>());

        context.Decisions.Recorded += (budget, before, now) =>
        {
            if (before is null || ScalerEvaluator.Differs(before, now))
                Wake(budget);
        };
        context.Decisions.Forgotten += Wake;
        telemetry.Agents.IsScaled = pod => _evaluator.IsScaled(pod.Metadata.Uid);
        _evaluator.PodsChanged += telemetry.Agents.ScaledChanged;
        telemetry.Agents.Signalled += signals.Record;
        signals.Changed += _scalers.WakeFor;
        _prometheus.Changed += _scalers.WakeScalers;
        safety.Control.Changed += () =>
        {
            foreach (var scaler in stores.Scalers.Store.List())
                _scalers.Wake(scaler.Metadata.Namespace ?? "");
        };
    }

    public IEnumerable<Func<CancellationToken, Task>> Loops =>
        [_prometheus.RunAsync, _scalers.RunAsync, _scalers.TickAsync, _releaser.RunAsync];

    /// <summary>Subscribes to scalers and their targets, and starts KEDA's external scaler.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var stores = _context.Stores;
        void WakeIfScaled(IKubernetesObject obj) => _scalers.WakeIfScaled(obj.Metadata.Namespace ?? "");
        stores.Scalers.AddHandler(InformerHandler<V1Alpha1InferenceScaler>.Any(scaler => _scalers.Wake(scaler.Metadata.Namespace ?? "")));
        stores.Rollouts.AddHandler(InformerHandler<V1Alpha1Rollout>.Any(WakeIfScaled));
        stores.DynamoAdapters.AddHandler(InformerHandler<V1Alpha1DynamoScalingAdapter>.Any(WakeIfScaled));
        stores.ScaledObjects.AddHandler(InformerHandler<V1ScaledObject>.Any(WakeIfScaled));
        stores.HorizontalPodAutoscalers.AddHandler(InformerHandler<V1HorizontalPodAutoscaler>.Any(WakeIfScaled));
        stores.Pods.AddHandler(InformerHandler<V1Pod>.Any(WakeIfScaled));
        foreach (var kind in stores.Kinds)
            kind.Watch(work => _scalers.WakeIfScaled(work.Namespace), gone => _scalers.WakeIfScaled(gone.Namespace));
        if (_context.Options.ExternalScalerAddress is not { } address)
            return;
        _external = await ExternalScalerEndpoint.StartAsync(address, _externalClients.Answer, _context.Logs, cancellationToken);
        _context.Logs.LogListening("external-scaler", _external.Address);
        _externalClients.QueryAdded += _scalers.Wake;
        _evaluator.Decided += _external.Wake;
    }

    private void Wake(BudgetObject budget)
    {
        foreach (var ns in _context.Stores.Coverage.NamespacesOf(budget))
            _scalers.WakeIfScaled(ns);
    }

    public async ValueTask DisposeAsync()
    {
        if (_external is not null)
            await _external.DisposeAsync();
        _sources.Dispose();
    }
}
