using Bursar.Operator.Budgets;
using Bursar.Operator.Cluster;
using Bursar.Operator.Safety;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Hosting;

/// <summary>Observe-only mode, the circuit breaker of forecasts, and the rate limit of status writes.</summary>
internal sealed class SafetyModule
{
    public SafetyModule(LeaderContext context)
    {
        var (stores, state) = (context.Stores, context.State);
        var breaker = new CircuitBreaker(new SuspendableCount(stores, context.Time).Read);
        breaker.Restore(
            state.Suspensions().Where(record => record.Cause.ByForecast).Select(record => (record.Uid, record.Since)),
            stores.Coverage.All.Max(budget => state.BudgetMemory(budget.Metadata.Uid).BreakerOpenSince)
        );
        Control = new(breaker);
        RateLimiter = new(context.Time);
        stores.Control.AddHandler(
            new()
            {
                Added = Control.Read,
                Updated = (_, map) => Control.Read(map),
                Deleted = _ => Control.Read(null),
            }
        );
    }

    public ObserveOnlyMode Control { get; }

    public WriteRateLimiter RateLimiter { get; }
}
