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
        var (stores, ledger) = (context.Stores, context.Ledger);
        Brake = new(new ParkableCount(stores, context.Time).Read);
        Brake.Restore(
            ledger.Parked().Where(record => ParkedCause.Read(record).ByForecast).Select(record => record.Since),
            stores.Budgets.Store.List().Max(budget => BudgetMemoryJson.Read(ledger.BudgetMemory(budget.Metadata.Uid)).BrakedAt)
        );
        Control = new(Brake);
        Pacer = new(context.Time);
        stores.Control.AddHandler(
            new()
            {
                Added = Control.Read,
                Updated = (_, map) => Control.Read(map),
                Deleted = _ => Control.Read(null),
            }
        );
    }

    public ClusterBrake Brake { get; }

    public ControlSwitch Control { get; }

    public WritePacer Pacer { get; }
}
