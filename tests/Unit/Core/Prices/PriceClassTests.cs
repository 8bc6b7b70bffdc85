using Bursar.Core.Money;
using Bursar.Core.Prices;
using Bursar.Core.Text;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.Prices;

public sealed class PriceClassTests
{
    private const string H100 = "NVIDIA-H100-80GB-HBM3";
    private static readonly DateTimeOffset Now = new(2026, 11, 21, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("karpenter.sh/capacity-type", "spot", "spot")]
    [InlineData("karpenter.sh/capacity-type", "on-demand", "on-demand")]
    [InlineData("karpenter.sh/capacity-type", "reserved", "reserved")]
    [InlineData("eks.amazonaws.com/capacityType", "ON_DEMAND", "on-demand")]
    [InlineData("eks.amazonaws.com/capacityType", "SPOT", "spot")]
    [InlineData("eks.amazonaws.com/capacityType", "CAPACITY_BLOCK", "reserved")]
    [InlineData("cloud.google.com/gke-spot", "true", "spot")]
    [InlineData("cloud.google.com/gke-preemptible", "true", "spot")]
    [InlineData("cloud.google.com/gke-spot", "false", "on-demand")]
    [InlineData("kubernetes.azure.com/scalesetpriority", "spot", "spot")]
    [InlineData("kubernetes.azure.com/scalesetpriority", "regular", "on-demand")]
    [InlineData("unrelated", "spot", "on-demand")]
    public void Every_clouds_word_for_capacity_is_one_of_three(string label, string value, string expected) =>
        PricedNode.Of(H100, new Dictionary<string, string> { [label] = value }).CapacityType.Should().Be(expected);

    [Fact]
    public void Every_field_that_is_given_must_hold_and_the_first_rule_that_does_wins()
    {
        var book = Book(
            new(new("*H100*") { CapacityType = "spot", Region = "us-*" }, new Rate(1)),
            new(new("*H100*") { InstanceType = "p5.*", Region = "eu-central-1" }, new Rate(2)),
            new(new() { NodeSelector = new() { MatchLabels = new Dictionary<string, string> { ["pool"] = "gold" } } }, new Rate(3)),
            new(new("*"), new Rate(4)));

        book.RateFor(Node(("karpenter.sh/capacity-type", "spot"), ("topology.kubernetes.io/region", "us-west-2")), Now).Should().Be(new Rate(1));
        book.RateFor(Node(("karpenter.sh/capacity-type", "spot"), ("topology.kubernetes.io/region", "eu-west-1")), Now).Should().Be(new Rate(4));
        book.RateFor(Node(("beta.kubernetes.io/instance-type", "p5.48xlarge"), ("topology.kubernetes.io/region", "eu-central-1")), Now).Should().Be(new Rate(2));
        book.RateFor(Node(("pool", "gold")), Now).Should().Be(new Rate(3));
        book.RateFor(Node(), Now).Should().Be(new Rate(4));
        book.RateFor(new PricedNode(""), Now).Should().BeNull("a node that tells no product is unpriced, also by a rule for all");
    }

    [Fact]
    public void A_class_names_only_what_the_book_asks_of_that_product()
    {
        var book = Book(
            new(new("*H100*") { CapacityType = "spot", Region = "us-*" }, new Rate(1)),
            new(new("*A100*") { InstanceType = "p4*" }, new Rate(2)),
            new(new() { NodeSelector = new() { MatchExpressions = [new("pool", "Exists", [])] } }, new Rate(3)),
            new(new("*"), new Rate(4)),
            new(new("*") { InstanceType = "never-asked" }, new Rate(5)));

        PriceClass.Of(book, Node(("karpenter.sh/capacity-type", "spot"), ("topology.kubernetes.io/region", "us-east-1"), ("pool", "gold")))
            .Should().Be(H100 + " [capacityType=spot, region=us-east-1, pool=gold]");
        PriceClass.Of(book, new("Tesla-T4")).Should().Be("Tesla-T4 [!pool]");
        PriceClass.Of(DefaultPriceBook.Book, Node(("karpenter.sh/capacity-type", "spot"))).Should().Be(H100, "the default book knows products alone");
        PriceClass.Of(null, Node()).Should().Be(H100);
        PriceClass.ProductOf(H100 + " [capacityType=spot]").Should().Be(H100);
        PriceClass.ProductOf(H100).Should().Be(H100);
    }

    /// <summary>The ledger charges by class: two nodes of one class must never have two prices.</summary>
    [Fact]
    public void Nodes_of_one_class_have_one_price()
    {
        var fields = Gen.Elements<string?>(null, "*", "a*", "b");
        var rule =
            from product in Gen.Elements("*", "X*", "XY", "Z")
            from capacity in Gen.Elements<string?>(null, "spot", "on-*")
            from region in fields
            from instance in fields
            from label in Gen.Elements<string?>(null, "a", "b")
            from days in Gen.Elements(-1, 0, 1)
            from price in Gen.Choose(1, 1000)
            select new PriceRule(new(product) { CapacityType = capacity, Region = region, InstanceType = instance, NodeSelector = label is null ? LabelSelector.Everything : new() { MatchLabels = new Dictionary<string, string> { ["l"] = label } } }, new Rate(price))
            { From = days == 0 ? null : Now.AddDays(days) };
        var node =
            from product in Gen.Elements("XY", "XZ", "Z")
            from capacity in Gen.Elements("spot", "on-demand")
            from region in Gen.Elements("ab", "b", "c")
            from instance in Gen.Elements("ab", "b", "c")
            from label in Gen.Elements("a", "b", "c")
            select new PricedNode(product) { CapacityType = capacity, Region = region, InstanceType = instance, Labels = new Dictionary<string, string> { ["l"] = label } };
        Prop.ForAll(rule.ListOf().Select(rules => Book([.. rules])).ToArbitrary(), node.ListOf(12).ToArbitrary(), (book, nodes) =>
            nodes.GroupBy(one => PriceClass.Of(book, one)).All(ofClass => ofClass.Select(one => book.RateFor(one, Now)).Distinct().Count() == 1
                && ofClass.Select(one => book.RateFor(one, Now.AddDays(2))).Distinct().Count() == 1)).QuickCheckThrowOnFailure();
    }

    private static PriceBook Book(params PriceRule[] rules) => new("b", 1, "USD", rules);

    private static PricedNode Node(params (string Label, string Value)[] labels) => PricedNode.Of(H100, labels.ToDictionary(l => l.Label, l => l.Value));
}
