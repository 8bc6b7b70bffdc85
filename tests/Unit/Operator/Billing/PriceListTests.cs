using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Prices;
using Bursar.Core.Text;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Billing;
using Bursar.Operator.Cluster;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Unit.Operator.Billing;

public sealed class PriceListTests : IDisposable
{
    private static readonly DateTimeOffset Start = new(2026, 11, 21, 10, 0, 0, TimeSpan.Zero);
    private readonly VirtualTimeProvider _time = new(Start);
    private readonly KubeClient _client = new(new KubeConfig { Server = new("http://127.0.0.1:1") });
    private readonly GpuLedger _ledger = new();
    private readonly ClusterStores _stores;
    private readonly PriceList _prices;

    public PriceListTests()
    {
        _stores = new(_client, "bursar");
        _prices = new(_stores, _ledger, _time);
        _ledger.Install(Start);
        ((Store<V1Node>)_stores.Nodes.Store).Put(
            new()
            {
                Metadata = new()
                {
                    Name = "n",
                    Uid = "n",
                    CreationTimestamp = Start,
                    Labels = new Dictionary<string, string> { ["nvidia.com/gpu.product"] = "Tesla-V100" },
                },
                Status = new() { Capacity = new Dictionary<string, string> { ["nvidia.com/gpu"] = "1" } },
            }
        );
    }

    public void Dispose() => _client.Dispose();

    [Fact]
    public void Clock_that_is_set_back_changes_no_past_price()
    {
        Price("3");
        _ledger.Observe(
            new()
            {
                Uid = "p",
                Pod = "p",
                Workload = new("ns", "Pod", "p", "p"),
                Class = WorkloadClass.Interactive,
                Labels = new Dictionary<string, string>(),
                Node = "n",
                Gpus = 1,
                ScheduledAt = Start,
                ObservedAt = Start,
            }
        );
        _time.Advance(TimeSpan.FromHours(1));
        Price("6");
        _time.Advance(TimeSpan.FromMinutes(30));
        _prices.Refresh();
        Spent(Start.AddMinutes(90)).Should().Be("6.000000");

        _time.SkewWall(TimeSpan.FromMinutes(-75)); // 10:15 again
        Price("9");
        Spent(Start.AddMinutes(90)).Should().Be("6.000000", "an hour at 3 and half of one at 6");
        _time.Advance(TimeSpan.FromMinutes(30));
        Price("12");
        Spent(Start.AddMinutes(90)).Should().Be("6.000000");

        _time.Advance(TimeSpan.FromMinutes(105)); // 12:30
        _prices.Refresh();
        Spent(Start.AddMinutes(150)).Should().Be("18.000000", "the new price counts from the latest moment that was known");
    }

    /// <summary>Changes the price in the book and reads it.</summary>
    private void Price(string perGpuHour)
    {
        var book = GpuPriceBookReader.ToObject(
            new PriceBook(
                "book",
                0,
                "USD",
                [new(new("*"), GpuHourPrice.TryParse(perGpuHour, out var rate) ? rate : throw new FormatException(perGpuHour), null)]
            )
        );
        ((Store<V1Alpha1GpuPriceBook>)_stores.PriceBooks.Store).Put(
            new() { Metadata = book.Metadata with { Uid = "book" }, Spec = book.Spec }
        );
        _prices.Refresh();
    }

    private string Spent(DateTimeOffset to) => _ledger.Spent("ns", LabelSelector.Everything, Start, to, to).ToString();
}
