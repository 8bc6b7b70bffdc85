using Bursar.Operator.Budgets;
using Bursar.Operator.Cluster;
using Bursar.Operator.Safety;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Hosting;

/// <summary>The limits on what the operator does: observe-only mode, the circuit breaker of forecasts, the rate of writes.</summary>
internal sealed class SafetyModule
{
    public SafetyModule(LeaderContext context)
    {
        var (stores, state) = (context.Stores, context.State);
        var brake = new CircuitBreaker(new SuspendableCount(stores, context.Time).Read);
        brake.Restore(
            state.Suspensions().Where(record => record.Cause.ByForecast).Select(record => record.Since),
            stores.Budgets.Store.List().Max(budget => state.BudgetMemory(budget.Metadata.Uid).BreakerOpenSince)
        );
        Control = new(brake);
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
