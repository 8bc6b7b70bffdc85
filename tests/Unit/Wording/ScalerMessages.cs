using Bursar.Core.Decisions;
using Bursar.Core.Money;
using Bursar.Core.Scaling;
using static Bursar.Tests.Unit.Core.Scaling.GivenScaler;

namespace Bursar.Tests.Unit.Wording;

/// <summary>The messages of InferenceScalers: Deployment/chat has three replicas at 2.00 USD/h, one for each 100 of a gateway's requests.</summary>
internal static class ScalerMessages
{
    private static readonly ScalerTerms Gateway = Terms(Trigger("gateway"));
    private static readonly ScalerSnapshot Chat = Scaler(Gateway, 3, 300);
    private static readonly ScalerSnapshot Busy = Scaler(Gateway, 3, 700);
    private static readonly ReplicaCap BudgetCap = new("nlp", 3, 3, null, "budget nlp has no budget left beyond the minimum replicas");
    private static readonly ScalerMemory Fought = ScalerMemory.Empty with { Reverted = [Now.AddMinutes(-2), Now.AddMinutes(-1)] };

    public static void AddTo(MessageTable table)
    {
        Limits(table);
        table.Section("Conditions of an InferenceScaler, its status, and Events on it and its target");
        void Decided(ScalerSnapshot scaler, params ReplicaCap[] caps)
        {
            var decision = scaler.Decide(caps);
            table.Add($"Event or status {decision.Reason}", decision.Sentence);
            foreach (var condition in decision.Conditions)
                table.Add($"{condition.Type}={condition.Status} {condition.Reason}", condition.Message);
        }
        Decided(Chat);
        Decided(Busy);
        Decided(Busy, BudgetCap);
        Decided(Scaler(Gateway, 3, 400), BudgetCap);
        Decided(Busy with { Prices = new(3, Price * 3, null) }, BudgetCap);
        Decided(Scaler(Gateway, 3, 400) with { Prices = new(3, Price * 3, null) }, BudgetCap);
        Decided(Busy with { SuspendedBy = "nlp" });
        Decided(Busy with { ScaledBy = "KEDA scales it (ScaledObject chat)" });
        Decided(Busy with { ScaledBy = "KEDA scales it (ScaledObject chat)" }, BudgetCap);
        Decided(Busy with { ScaledBy = "KEDA scales it (ScaledObject chat)" }, BudgetCap with { Replicas = 9, AtOnce = 9 });
        Decided(Busy with { ScaledBy = "KEDA scales it (ScaledObject chat)", Memory = Fought });
        Decided(Scaler(Terms(), 3));
        Decided(Busy with { ObserveOnly = true });
        Decided(Busy with { Memory = Fought });
        Decided(Busy with { BudgetProblem = "budget nlp does not exist in namespace team" });
        Decided(Scaler(Gateway, 3, (double?)null));
        // Between zero and one.
        Decided(Scaler(Gateway with { Min = 4 }, 3, 300));
        Decided(Scaler(Terms(Trigger("tokens")), 0, 0.0));
        Decided(Scaler(Gateway, 0, 5));
        Decided(Scaler(Gateway, 0, 0));
        Decided(Scaler(Gateway, 1, 0));
        Decided(Scaler(Gateway, 1, 0).Active(60));
        Decided(Scaler(Gateway, 1, 0).Active(400));
        Decided(Scaler(Gateway, 1, 0) with { IsRollingOut = true });
        Decided(Scaler(Gateway, 1, 0) with { InFlight = true });
        Decided(Scaler(Gateway, 1, 0) with { ReplicaStates = [new("r0", Pending: true, Ready: false, Leaving: false)] });
        // Limits and fallbacks.
        Decided(Scaler(Gateway with { Max = 5 }, 3, 700));
        Decided(Scaler(Gateway with { Min = 2 }, 2, 100));
        Decided(Scaler(Gateway with { Min = 2 }, 3, 100));
        Decided(
            Scaler(
                Gateway with
                {
                    Behavior = AtOnce with { Up = AtOnce.Up with { Policies = [new(ScalingPolicyType.Pods, 1, 60)] } },
                },
                3,
                700
            )
        );
        var slow = Gateway with
        {
            Behavior = new(AtOnce.Up with { StabilizationWindowSeconds = 300 }, AtOnce.Down with { StabilizationWindowSeconds = 300 }),
        };
        Decided(Scaler(slow, 3, 100) with { Memory = Scaler(slow, 3, 700).Decide().Memory });
        Decided(Scaler(slow, 3, 700) with { Memory = Scaler(slow, 3, 300).Decide().Memory });
        var fallback = Gateway with { Fallback = new(3, 6, FallbackBehavior.Static) };
        Decided(Scaler(fallback, 3, (double?)null).Failing("gateway", 600));
        Decided(Scaler(fallback, 0, (double?)null).Failing("gateway", 600));
        Decided(Scaler(Gateway, 3, double.NaN));
        Decided(Scaler(Gateway, 3) with { Readings = [new() { At = Now }] });

        var composed = Gateway with { Modifiers = new(Formula.TryParse("gateway / 0", out _)!, 100, 0, TriggerMetricType.AverageValue) };
        Decided(Scaler(composed, 3, 300));
    }

    private static void Limits(MessageTable table)
    {
        table.Section("Reasons of a money limit, in the messages below");
        ReplicaCap? CostCap(ScalerSnapshot scaler) =>
            ReplicaCaps.OfCostCap(scaler with { Terms = scaler.Terms with { CostCap = Price * 2 } });
        void Cap(ReplicaCap? cap) => table.Add(cap!.Source, cap.Why);
        Cap(CostCap(Busy));
        Cap(CostCap(Busy with { Prices = new(0, HourlyCost.Zero, Price) }));
        Cap(CostCap(Busy with { Prices = new(0, HourlyCost.Zero, null) }));
        AffordableRate room = new(Price * 6, new Amount(0) + (Price * 6).For(TimeSpan.FromHours(10)), TimeSpan.FromHours(10));
        for (var scalers = 1; scalers <= 3; scalers++)
        {
            var askers = Enumerable
                .Range(0, scalers)
                .Select(i => new CapRequest($"team/chat-{i}", Busy, ScalerDemand.From(Busy)))
                .ToArray();
            Cap(ReplicaCaps.OfBudget("nlp", room, askers)["team/chat-0"]);
        }
        Cap(ReplicaCaps.OfBudget("nlp", AffordableRate.None, [new("team/chat", Busy, ScalerDemand.From(Busy))])["team/chat"]);
        var unpriced = Busy with { Prices = new(0, HourlyCost.Zero, null) };
        Cap(
            ReplicaCaps.OfBudget("nlp", room, [new("team/chat", unpriced with { Replicas = 10 }, ScalerDemand.From(unpriced))])["team/chat"]
        );
    }
}
