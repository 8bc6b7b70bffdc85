using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Prices;
using Bursar.Core.Text;
using Bursar.Core.Usage;
using Bursar.Operator.Commands;

namespace Bursar.Tests.Unit.Operator.Commands;

public sealed class ExplainCostTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Explanation_lists_every_term_of_a_cost()
    {
        const string card = "NVIDIA-A100-SXM4-40GB";
        var book = new PriceBook(
            "b",
            1,
            "USD",
            [
                new(new("*A100*"), null, "rack 7")
                {
                    Owned = new()
                    {
                        CapitalCost = 15_000,
                        Lifetime = TimeSpan.FromHours(35_040),
                        PowerPricePerKWh = 0.12m,
                        Pue = 1.4m,
                    },
                },
            ]
        );
        var ledger = new GpuLedger();
        ledger.Install(Start);
        ledger.Reprice(card, GpuHourPrice.FromDecimal(2.745m), Start);
        ledger.ObserveNode("n1", card, 2, Start);
        ledger.Observe(Pod());
        ledger.Record(Report(), null);
        ledger.Reprice(card, book.RateFor(card)!.Value, Start.AddMinutes(30));

        var text = ExplainCost.Format(ledger, book, "ns", ["ns"], LabelSelector.Everything, Start, Start.AddHours(1));

        text.Should()
            .Be(
                """

                Cost of workloads since 2026-11-01T12:00:00Z: time × GPUs × hourly rate (of the share used)
                  Job/train  0.433966
                    1800 s × 2 × 15/112 of NVIDIA-A100-SXM4-40GB at 0.367633928/h = 0.367634
                    1800 s × 2 × 15/112 of NVIDIA-A100-SXM4-40GB at 0.066332436/h = 0.066332
                    measured for 1800 GPU-seconds, busy 50 %, 9 GiB of device memory on average, 0.1 kWh, 200 W on average; power is included in the rate
                    0.495282192/h of NVIDIA-A100-SXM4-40GB: 15000 over 35040 h + the board's power × 1.4 × 0.12/kWh (rack 7)

                """.ReplaceLineEndings("\n").TrimEnd(' ')
            );
    }

    [Fact]
    public void Last_sample_after_the_end_of_a_pod_is_not_shown_as_measured()
    {
        var ledger = new GpuLedger();
        ledger.Install(Start);
        ledger.Reprice("NVIDIA-A100-SXM4-40GB", GpuHourPrice.FromDecimal(2.745m), Start);
        ledger.Observe(Pod() with { Gpus = 1, Share = DeviceShare.Whole });
        ledger.Record(Report(), null);

        var text = ExplainCost.Format(ledger, null, "ns", ["ns"], LabelSelector.Everything, Start, Start.AddSeconds(1795));

        text.Should().Contain("1795 s × 1 of").And.Contain("measured for 1795 GPU-seconds, busy 50 %");
    }

    private static UsageReport Report() =>
        new()
        {
            Node = "n1",
            Epoch = "e",
            First = 1,
            Next = 2,
            Intervals =
            [
                new()
                {
                    Seq = 1,
                    PodUid = "p",
                    Namespace = "ns",
                    Pod = "train",
                    Device = "GPU-1",
                    From = Start,
                    To = Start.AddSeconds(1800),
                    BusyMs = 900_000,
                    EnergyMj = 360_000_000,
                    MemoryMiBMs = 1_800_000L * 9_216,
                },
            ],
        };

    private static PodObservation Pod() =>
        new()
        {
            Uid = "p",
            Pod = "train",
            Workload = new("ns", "Job", "train", "j1"),
            Class = WorkloadClass.Training,
            Labels = new Dictionary<string, string>(),
            Node = "n1",
            Product = "NVIDIA-A100-SXM4-40GB",
            Gpus = 2,
            Share = new(15, 112),
            ScheduledAt = Start,
            ObservedAt = Start.AddSeconds(1),
        };
}
