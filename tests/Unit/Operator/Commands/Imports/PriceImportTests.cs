using Bursar.Core.Prices;
using Bursar.Hosting;
using Bursar.Operator.Commands;
using Bursar.Operator.Commands.Imports;

namespace Bursar.Tests.Unit.Operator.Commands.Imports;

public sealed class PriceImportTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 21, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void CSV_keeps_its_order_and_its_quotes()
    {
        var read = PriceCsv.Read(
            "\uFEFFproduct,capacityType,Region,instanceType,perGpuHour,from,note\r\n\"*H100*\",spot,us-*,,2.064,,\"negotiated, \"\"frame\"\" contract\"\r\n\r\n*H100*,,,p5.48xlarge,6.88,2026-12-01T00:00:00Z,\r\n,,,,1,,\r\n"
        );
        read.LeftOut.Should().BeEmpty();
        read.Rates.Select(r =>
                (r.Match.Product, r.Match.CapacityType, r.Match.Region, r.Match.InstanceType, r.PerGpuHour.ToString(), r.From, r.Note)
            )
            .Should()
            .Equal(
                ("*H100*", "spot", "us-*", null, "2.064", null, "negotiated, \"frame\" contract"),
                ("*H100*", null, null, "p5.48xlarge", "6.88", new DateTimeOffset(2026, 12, 1, 0, 0, 0, TimeSpan.Zero), null),
                ("*", null, null, null, "1.00", null, null)
            );
    }

    [Fact]
    public void Instances_price_is_shared_out_to_its_GPUs() =>
        PriceCsv
            .Read("instanceType,perInstanceHour,gpus\np4d.24xlarge,21.9576,8\n")
            .Rates.Single()
            .PerGpuHour.ToString()
            .Should()
            .Be("2.7447");

    [Theory]
    [InlineData("", "the file is empty")]
    [InlineData("product,prize\nx,1", "\"prize\" is none of the columns")]
    [InlineData("product\nx", "a column perGpuHour is needed")]
    [InlineData("product,product,perGpuHour\nx,y,1", "two columns are named product")]
    [InlineData("product,perGpuHour\nx,1,2", "line 2: has 3 fields")]
    [InlineData("product,perGpuHour\nx,1\n\ny,1e3", "line 4, perGpuHour: \"1e3\" is not an amount")]
    [InlineData("product,perGpuHour\nx,-1", "line 2, perGpuHour")]
    [InlineData("product,perGpuHour\n\"x,1", "line 2: a quote is not closed")]
    [InlineData("product,perGpuHour,from\nx,1,tomorrow", "line 2, from: \"tomorrow\"")]
    [InlineData("instanceType,perInstanceHour,gpus\nx,1,0", "line 2, gpus: \"0\"")]
    public void Invalid_CSV_is_reported_with_its_line(string text, string message) =>
        FluentActions.Invoking(() => PriceCsv.Read(text)).Should().Throw<ImportException>().WithMessage($"*{message}*");

    [Fact]
    public void OpenCost_or_Kubecost_price_sheet_gives_its_GPU_rows()
    {
        var read = PriceCsv.Read(
            """
            EndTimestamp,InstanceID,Region,AssetClass,InstanceIDField,InstanceType,MarketPriceHourly,Version
            2026-04-17 23:34:22 UTC,Quadro_RTX_4000,,gpu,gpu.nvidia.com/class,g4dn.xlarge,0.35,
            2026-04-17 23:34:22 UTC,H100,us-east-1,gpu,,,2.5,
            2026-04-17 23:34:22 UTC,gke-standard-cluster-1,,node,metadata.name,,0.43,
            """
        );
        read.Rates.Should().HaveCount(2);
        read.Rates[0]
            .Match.NodeSelector.MatchLabels.Should()
            .Equal(new Dictionary<string, string> { ["gpu.nvidia.com/class"] = "Quadro_RTX_4000" });
        (read.Rates[0].Match.InstanceType, read.Rates[0].PerGpuHour.ToString()).Should().Be(("g4dn.xlarge", "0.35"));
        (read.Rates[1].Match.Product, read.Rates[1].Match.Region).Should().Be(("*H100*", "us-east-1"));
        read.LeftOut.Should().Equal("line 4: asset class node is not a GPU price");
    }

    [Fact]
    public void Price_sheets_rows_become_node_selectors_by_the_label_that_their_field_names()
    {
        var read = PriceCsv.Read(
            "#a comment, with a comma\r\n\"Version\",InstanceID,Region,AssetClass,InstanceIDField,InstanceType,MarketPriceHourly\r\n"
                + ",big,,gpu,example.com/gpu-model,,2.0\r\n#,x,,gpu,,,9\r\n,gpu-node-7,,gpu,metadata.name,,2.20\r\n,\"aws:///a/i-1\",,gpu,spec.providerID,,3\r\n"
                + ",a,,gpu,metadata.annotations.kind,,4\r\n,b,,GPU,metadata.labels.example.com/kind,,5\r\n,short,row\r\n"
        );
        read.Rates.Select(r => (r.Match.Product, r.Match.NodeSelector.MatchLabels.Single(), r.PerGpuHour.ToString()))
            .Should()
            .Equal(("*", new("example.com/gpu-model", "big"), "2.00"), ("*", new("example.com/kind", "b"), "5.00"));
        read.LeftOut.Should().HaveCount(4);
        read.LeftOut[0].Should().Be("line 5: gpu-node-7 is chosen by metadata.name, and a price book chooses nodes by their labels");
        read.LeftOut[1].Should().StartWith("line 6: aws:///a/i-1 is chosen by spec.providerID");
        read.LeftOut[2].Should().StartWith("line 7: a is chosen by metadata.annotations.kind");
        read.LeftOut[3].Should().Be("line 9: has 3 fields, the header has 7");
    }

    [Fact]
    public void Lines_that_begin_with_a_hash_are_comments() =>
        PriceCsv
            .Read("# ours\nproduct,perGpuHour,note\n#*H100*,9,\n*A100*,2,\"a\n# not a comment\"\n")
            .Rates.Single()
            .Note.Should()
            .Be("a\n# not a comment");

    [Theory]
    [InlineData("p5.48xlarge", "", 32, 0, "6.88", 0)] // cards that are known go before time slices
    [InlineData("x9.large", "", 32, 8, "6.88", 0)]
    [InlineData("x9.large", "{key: karpenter.k8s.aws/instance-gpu-count, operator: In, values: ['8']}", 32, 0, "6.88", 0)]
    [InlineData("x9.large", "", 4, 0, "13.76", 1)]
    public void Overlays_price_is_divided_by_cards_and_not_by_time_slices(
        string type,
        string requirement,
        int capacity,
        int told,
        string price,
        int doubts
    )
    {
        var read = NodeOverlayPrices.Read(
            $$"""
            kind: NodeOverlay
            metadata: {name: sliced}
            spec:
              price: "55.04"
              capacity: {nvidia.com/gpu: {{capacity}}}
              requirements:
              - {key: node.kubernetes.io/instance-type, operator: In, values: [{{type}}]}
              {{(requirement.Length > 0 ? $"- {requirement}" : "")}}
            """,
            told > 0 ? new Dictionary<string, int> { [type] = told } : new Dictionary<string, int>()
        );
        read.Rates.Single().PerGpuHour.ToString().Should().Be(price);
        read.Doubts.Should().HaveCount(doubts);
        if (doubts > 0)
            read.Doubts[0].Should().Contain("shares of fewer cards").And.Contain("--gpus x9.large=CARDS");
    }

    [Theory]
    [InlineData("""{"provider": "custom", "CPU": "0.031611", "RAM": "0.004237", "GPU": "0.95", "spotGPU": "0.308"}""")]
    [InlineData(
        """
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: opencost-conf}
            data:
              default.json: |
                {"provider": "custom", "CPU": "0.1", "GPU": "0.95", "spotGPU": "0.308"}
            """
    )]
    [InlineData("opencost:\n  customPricing:\n    enabled: true\n    costModel:\n      GPU: 0.95\n      spotGPU: 0.308\n")]
    public void OpenCost_custom_pricing_is_read_in_each_of_its_forms(string text)
    {
        var read = GeneratePriceBookCommand.Read(text, "auto", ".yaml", monthly: false, new Dictionary<string, int>());
        var book = new PriceBook("b", 1, "USD", read.Rates);
        book.RateFor(new("any"), Now).ToString().Should().Be("0.95");
        book.RateFor(new("any") { CapacityType = "spot" }, Now).ToString().Should().Be("0.308");
    }

    [Fact]
    public void OpenCost_monthly_prices_are_converted_and_labels_are_kept()
    {
        var read = OpenCostPrices.Read("""{"GPU": "2190", "gpuLabel": "gpu.example/type", "gpuLabelValue": "a100"}""", monthly: true);
        read.Rates.Single().PerGpuHour.ToString().Should().Be("3.00");
        read.Rates.Single().Match.NodeSelector.MatchLabels.Should().Equal(new Dictionary<string, string> { ["gpu.example/type"] = "a100" });
        OpenCostPrices.Read("""{"GPU": "2190"}""", monthly: false).LeftOut.Should().Contain(left => left.Contains("--monthly"));
        FluentActions
            .Invoking(() => OpenCostPrices.Read("""{"GPU": "a lot"}""", monthly: false))
            .Should()
            .Throw<ImportException>()
            .WithMessage("GPU: \"a lot\"*");
    }

    [Fact]
    public void NodeOverlays_become_rates_per_GPU_the_heaviest_first()
    {
        var read = GeneratePriceBookCommand.Read(
            """
            apiVersion: karpenter.sh/v1alpha1
            kind: NodeOverlay
            metadata: {name: a-light}
            spec:
              requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: [p5.48xlarge]}]
              price: "55.04"
            ---
            apiVersion: karpenter.sh/v1alpha1
            kind: NodeOverlay
            metadata: {name: heavy}
            spec:
              weight: 10
              requirements:
              - {key: node.kubernetes.io/instance-type, operator: In, values: [p5.48xlarge, x9.large]}
              - {key: karpenter.sh/capacity-type, operator: In, values: [spot]}
              - {key: karpenter.sh/nodepool, operator: NotIn, values: [default]}
              price: 20
            ---
            kind: NodeOverlay
            metadata: {name: adjusts}
            spec: {priceAdjustment: "-15%", requirements: []}
            ---
            kind: NodeOverlay
            metadata: {name: compares}
            spec: {price: "1", requirements: [{key: karpenter.k8s.aws/instance-cpu, operator: Gt, values: ["8"]}]}
            ---
            kind: NodeOverlay
            metadata: {name: counts}
            spec: {price: "8", requirements: [{key: karpenter.k8s.aws/instance-gpu-count, operator: In, values: ["4"]}]}
            """,
            "auto",
            ".yaml",
            false,
            new Dictionary<string, int> { ["x9.large"] = 5 }
        );
        read.Rates.Select(r => (r.Match.InstanceType, r.Match.CapacityType, r.PerGpuHour.ToString()))
            .Should()
            .Equal(("p5.48xlarge", "spot", "2.50"), ("x9.large", "spot", "4.00"), (null, null, "2.00"), ("p5.48xlarge", null, "6.88"));
        read.Rates[0].Match.NodeSelector.MatchExpressions.Single().Key.Should().Be("karpenter.sh/nodepool");
        read.LeftOut.Should()
            .HaveCount(2)
            .And.Contain(left => left.Contains("adjusts by -15%"))
            .And.Contain(left => left.Contains("Gt cannot be expressed"));
    }

    [Theory]
    [InlineData("p5.48xlarge, p4d.24xlarge", "p4d.24xlarge, p3.2xlarge", "p4d.24xlarge")]
    [InlineData("p5.48xlarge", "p4d.24xlarge", null)]
    public void Overlay_that_requires_a_key_twice_means_what_both_allow(string first, string second, string? expected)
    {
        var read = NodeOverlayPrices.Read(
            $$"""
            kind: NodeOverlay
            metadata: {name: o}
            spec:
              price: "8"
              requirements:
              - {key: node.kubernetes.io/instance-type, operator: In, values: [{{first}}]}
              - {key: node.kubernetes.io/instance-type, operator: In, values: [{{second}}]}
            """,
            new Dictionary<string, int>()
        );

        read.Rates.Select(rate => rate.Match.InstanceType).Should().Equal(expected is null ? [] : [expected]);
        read.LeftOut.Should().HaveCount(expected is null ? 1 : 0);
    }

    [Fact]
    public void Overlay_of_an_unknown_instance_is_left_out_rather_than_guessed() =>
        NodeOverlayPrices
            .Read(
                """{"kind": "List", "items": [{"kind": "NodeOverlay", "metadata": {"name": "o"}, "spec": {"price": "9", "requirements": [{"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["m5.large"]}]}}]}""",
                new Dictionary<string, int>()
            )
            .LeftOut.Single()
            .Should()
            .Contain("--gpus m5.large=N");

    [Theory]
    [InlineData("x: 1", ".yaml", "neither a CSV")]
    [InlineData("a: [", ".yaml", "line 2")]
    [InlineData("product,perGpuHour\n", ".csv", "no price could be taken over")]
    public void Input_that_is_no_price_list_is_refused(string text, string extension, string message) =>
        FluentActions
            .Invoking(() => GeneratePriceBookCommand.Read(text, "auto", extension, false, new Dictionary<string, int>()))
            .Should()
            .Throw<ImportException>()
            .WithMessage($"*{message}*");

    [Fact]
    public async Task Command_writes_a_price_book_that_can_be_applied()
    {
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, "product,perGpuHour,note\n*H100*,2.50,ours\n");
            var (code, output, error) = Run("pricebook", "--from", file, "--name", "ours", "--currency", "EUR");
            (code, error).Should().Be((0, ""));
            output
                .Should()
                .Contain("kind: GpuPriceBook")
                .And.Contain("currency: EUR")
                .And.Contain("perGpuHour: \"2.50\"")
                .And.Contain("note: ours")
                .And.Contain("default: true")
                .And.Contain("name: ours");
            Run("pricebook", "--from", file, "--currency", "euro").Error.Should().Contain("spec.currency");
            Run("pricebook", "--from", file, "--gpus", "nine")
                .Should()
                .Be((1, "", "error: --gpus: \"nine\" is not TYPE=N, as p5.48xlarge=8.\n"));
        }
        finally
        {
            File.Delete(file);
        }
        Run("pricebook", "--from", "/nowhere.csv").Code.Should().Be(1);
        Run("pricebook").Output.Should().Contain("AWS p5.48xlarge 55.04/8, us-east-1, 2026-07-20");
        Run("pricebook", "--list", "founding").Output.Should().Contain("perGpuHour: \"4.00\"");
    }

    private static (int Code, string Output, string Error) Run(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = CommandLine
            .RunAsync(RootCommands.Create(), ["generate", .. arguments], Failures.Describe, new() { Output = output, Error = error })
            .GetAwaiter()
            .GetResult();
        return (code, output.ToString(), error.ToString());
    }
}
