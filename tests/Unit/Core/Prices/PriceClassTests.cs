using Bursar.Core.Ledger;
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
    [InlineData("cloud.google.com/gke-provisioning", "spot", "spot")]
    [InlineData("cloud.google.com/gke-provisioning", "standard", "on-demand")]
    [InlineData("node.kubernetes.io/lifecycle", "spot", "spot")]
    [InlineData("node.kubernetes.io/lifecycle", "normal", "on-demand")]
    [InlineData("spotinst.io/node-lifecycle", "od", "on-demand")]
    [InlineData("oci.oraclecloud.com/oke-is-preemptible", "true", "spot")]
    [InlineData("machine.openshift.io/interruptible-instance", "", "spot")]
    [InlineData("unrelated", "spot", "on-demand")]
    public void Capacity_labels_of_clouds_map_to_three_types(string label, string value, string expected) =>
        PricedNode.From(H100, new Dictionary<string, string> { [label] = value }).CapacityType.Should().Be(expected);

    [Fact]
    public void First_rule_whose_fields_all_match_wins()
    {
        var book = Book(
            new(new("*H100*") { CapacityType = "spot", Region = "us-*" }, new GpuHourPrice(1)),
            new(new("*H100*") { InstanceType = "p5.*", Region = "eu-central-1" }, new GpuHourPrice(2)),
            new(new() { NodeSelector = new() { MatchLabels = new Dictionary<string, string> { ["pool"] = "gold" } } }, new GpuHourPrice(3)),
            new(new("*"), new GpuHourPrice(4))
        );

        book.RateFor(Node(("karpenter.sh/capacity-type", "spot"), ("topology.kubernetes.io/region", "us-west-2")), Now)
            .Should()
            .Be(new GpuHourPrice(1));
        book.RateFor(Node(("karpenter.sh/capacity-type", "spot"), ("topology.kubernetes.io/region", "eu-west-1")), Now)
            .Should()
            .Be(new GpuHourPrice(4));
        book.RateFor(Node(("beta.kubernetes.io/instance-type", "p5.48xlarge"), ("topology.kubernetes.io/region", "eu-central-1")), Now)
            .Should()
            .Be(new GpuHourPrice(2));
        book.RateFor(Node(("pool", "gold")), Now).Should().Be(new GpuHourPrice(3));
        book.RateFor(Node(), Now).Should().Be(new GpuHourPrice(4));
        book.RateFor(new PricedNode(""), Now).Should().Be(new GpuHourPrice(4), "no rule before it is for such a node");
    }

    [Theory]
    [InlineData("instance-type", "g5.12xlarge", "unknown product [instanceType=g5.12xlarge]")]
    [InlineData("pool", "gold", "unknown product [instanceType=, pool=gold]")]
    [InlineData("pool", "silver", "")]
    public void Node_without_a_product_is_priced_by_rules_without_one(string label, string value, string expected)
    {
        var book = Book(
            new(new("*H100*"), new GpuHourPrice(1)),
            new(new("*"), new GpuHourPrice(2)),
            new(new() { InstanceType = "g5.12xlarge" }, GpuHourPrice.FromDecimal(1.418m)),
            new(
                new() { NodeSelector = new() { MatchLabels = new Dictionary<string, string> { ["pool"] = "gold" } } },
                GpuHourPrice.FromDecimal(1.418m)
            )
        );
        var node = PricedNode.From(
            "",
            new Dictionary<string, string> { [label == "instance-type" ? "node.kubernetes.io/instance-type" : label] = value }
        );
        var priceClass = PriceClass.Get(book, node);
        (expected.Length == 0 ? priceClass : priceClass.Replace(", !pool", "", StringComparison.Ordinal)).Should().Be(expected);
        PriceClassName.ProductOf(priceClass).Should().BeEmpty();
        book.RateFor(node, Now).Should().Be(expected.Length == 0 ? null : GpuHourPrice.FromDecimal(1.418m));
    }

    [Theory]
    [InlineData("*A100*", false)]
    [InlineData("*A100-*", false)]
    [InlineData("*", false)]
    [InlineData("GRID-A100-10C", true)]
    [InlineData("grid a100-10c", true)]
    [InlineData("*-10C", true)]
    [InlineData("*A100-10C*", true)]
    [InlineData("GRID-*", true)]
    public void VGPU_profile_is_priced_by_a_rule_that_names_it_alone(string pattern, bool priced)
    {
        foreach (var product in (string[])["GRID-A100-10C", "GRID A100-10C"])
        {
            var book = Book(new PriceRule(new(pattern), new GpuHourPrice(7)));
            book.RateFor(new PricedNode(product), Now).Should().Be(priced ? new GpuHourPrice(7) : null);
        }
    }

    [Theory]
    [InlineData("GRID-A100-10C", true)]
    [InlineData("GRID-A100D-1-10CME", true)]
    [InlineData("GRID T4-1B4", true)]
    [InlineData("NVIDIA A40-48Q", true)]
    [InlineData("NVIDIA-L40S-4A", true)]
    [InlineData("NVIDIA-A100-2-10C", true)]
    [InlineData("NVIDIA-A100-SXM4-80GB", false)]
    [InlineData("NVIDIA-H100-80GB-HBM3", false)]
    [InlineData("NVIDIA-RTX-A6000", false)]
    [InlineData("NVIDIA-A10G", false)]
    [InlineData("NVIDIA-B200", false)]
    [InlineData("AMD_Instinct_MI300A", false)]
    [InlineData("Tesla-P100-PCIE-16GB", false)]
    public void Built_in_prices_are_for_cards_and_not_for_vGPU_profiles(string product, bool vgpu)
    {
        (VgpuProfile.Find(product) is not null).Should().Be(vgpu);
        if (vgpu)
            DefaultPriceBook.Book.RateFor(product).Should().BeNull();
    }

    [Fact]
    public void VGPU_profile_is_priced_by_a_rule_for_its_machines()
    {
        var book = Book(
            new PriceRule(new() { InstanceType = "Standard_NV*" }, new GpuHourPrice(7)),
            new PriceRule(new("*A10*"), new GpuHourPrice(9))
        );
        book.RateFor(
                PricedNode.From(
                    "NVIDIA-A10-4Q",
                    new Dictionary<string, string> { ["node.kubernetes.io/instance-type"] = "Standard_NV6ads_A10_v5" }
                ),
                Now
            )
            .Should()
            .Be(new GpuHourPrice(7));
        book.RateFor(new PricedNode("NVIDIA-A10-4Q"), Now).Should().BeNull();
    }

    [Fact]
    public void Price_class_names_only_fields_that_the_book_uses()
    {
        var book = Book(
            new(new("*H100*") { CapacityType = "spot", Region = "us-*" }, new GpuHourPrice(1)),
            new(new("*A100*") { InstanceType = "p4*" }, new GpuHourPrice(2)),
            new(new() { NodeSelector = new() { MatchExpressions = [new("pool", "Exists", [])] } }, new GpuHourPrice(3)),
            new(new("*"), new GpuHourPrice(4)),
            new(new("*") { InstanceType = "never-asked" }, new GpuHourPrice(5))
        );

        PriceClass
            .Get(book, Node(("karpenter.sh/capacity-type", "spot"), ("topology.kubernetes.io/region", "us-east-1"), ("pool", "gold")))
            .Should()
            .Be(H100 + " [capacityType=spot, region=us-east-1, pool=gold]");
        PriceClass.Get(book, new("Tesla-T4")).Should().Be("Tesla-T4 [!pool]");
        PriceClass
            .Get(DefaultPriceBook.Book, Node(("karpenter.sh/capacity-type", "spot")))
            .Should()
            .Be(H100, "the default book knows products alone");
        PriceClass.Get(null, Node()).Should().Be(H100);
        PriceClassName.ProductOf(H100 + " [capacityType=spot]").Should().Be(H100);
        PriceClassName.ProductOf(H100).Should().Be(H100);
    }

    /// <summary>The ledger charges by class, so two nodes of one class must never have two prices.</summary>
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
            select new PriceRule(
                new(product)
                {
                    CapacityType = capacity,
                    Region = region,
                    InstanceType = instance,
                    NodeSelector = label is null
                        ? LabelSelector.Everything
                        : new() { MatchLabels = new Dictionary<string, string> { ["l"] = label } },
                },
                new GpuHourPrice(price)
            )
            {
                From = days == 0 ? null : Now.AddDays(days),
            };
        var node =
            from product in Gen.Elements("XY", "XZ", "Z", "", "X-4Q")
            from capacity in Gen.Elements("spot", "on-demand")
            from region in Gen.Elements("ab", "b", "c")
            from instance in Gen.Elements("ab", "b", "c")
            from label in Gen.Elements("a", "b", "c")
            select new PricedNode(product)
            {
                CapacityType = capacity,
                Region = region,
                InstanceType = instance,
                Labels = new Dictionary<string, string> { ["l"] = label },
            };
        Prop.ForAll(rule.ListOf().Select(rules => Book([.. rules])).ToArbitrary(), node.ListOf(12).ToArbitrary(), (book, nodes) =>
                nodes
                    .GroupBy(one => PriceClass.Get(book, one))
                    .All(ofClass =>
                        ofClass.Select(one => book.RateFor(one, Now)).Distinct().Count() == 1
                        && ofClass.Select(one => book.RateFor(one, Now.AddDays(2))).Distinct().Count() == 1
                    )
            )
            .QuickCheckThrowOnFailure();
    }

    private static PriceBook Book(params PriceRule[] rules) => new("b", 1, "USD", rules);

    private static PricedNode Node(params (string Label, string Value)[] labels) =>
        PricedNode.From(H100, labels.ToDictionary(l => l.Label, l => l.Value));
}
