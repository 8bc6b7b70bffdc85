using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Kubernetes.Crds;

namespace Bursar.Tests.Unit.Operator.Commands;

public sealed class SchemaTests
{
    private static readonly JsonObject Budget = Schema(CrdBuilder.Build(typeof(V1Alpha1GpuBudget)));

    public static TheoryData<Type> Kinds => new() { typeof(V1Alpha1GpuBudget), typeof(V1Alpha1GpuLedger), typeof(V1Alpha1GpuPriceBook) };

    [Theory]
    [InlineData("window.period", "\"Month\"")]
    [InlineData("window.timeZone", "\"UTC\"")]
    [InlineData("mode", "\"Enforce\"")]
    [InlineData("thresholds", "[50,80,100]")]
    [InlineData("training.unknownDuration", "\"UntilExhausted\"")]
    [InlineData("training.suspendWhen", "\"Likely\"")]
    [InlineData("training.tolerancePercent", "0")]
    [InlineData("training.settle", "\"60s\"")]
    [InlineData("training.victims", "\"LeastLost\"")]
    [InlineData("training.resume.policy", "\"Automatic\"")]
    [InlineData("training.resume.headroomPercent", "5")]
    public void Budget_with_a_limit_alone_gets_the_defaults(string path, string value)
    {
        var schema = (JsonObject)Budget["properties"]!["spec"]!;
        foreach (var name in path.Split('.'))
        {
            schema = (JsonObject)schema["properties"]![name]!;
            schema.ContainsKey("default").Should().BeTrue("{0} is filled in only if each object on the way to it is", name);
        }
        schema["default"]!.ToJsonString().Should().Be(value);
    }

    [Fact]
    public void Only_the_limit_is_required() => Budget["properties"]!["spec"]!["required"]!.ToJsonString().Should().Be("[\"limit\"]");

    // The cost estimate of CEL and the object size limit of etcd require bounds.
    [Theory]
    [MemberData(nameof(Kinds))]
    public void Lists_maps_and_strings_are_bounded(Type kind)
    {
        var unbounded = new List<string>();
        Visit("", Schema(CrdBuilder.Build(kind)));
        unbounded.Should().BeEmpty();

        void Visit(string path, JsonObject schema)
        {
            if (path is ".apiVersion" or ".kind")
                return;
            var bounded = schema["type"]?.GetValue<string>() switch
            {
                // An int-or-string needs a bound for the number and for the text.
                null => schema.ContainsKey("x-kubernetes-int-or-string")
                    && schema.ContainsKey("maxLength")
                    && (schema.ContainsKey("maximum") || path.EndsWith("{}", StringComparison.Ordinal)),
                "array" => schema.ContainsKey("maxItems"),
                "string" => schema.ContainsKey("maxLength")
                    || schema.ContainsKey("enum")
                    || schema["format"]?.GetValue<string>() == "date-time",
                "object" => schema["additionalProperties"] is null || schema.ContainsKey("maxProperties"),
                _ => true,
            };
            // The pattern of a condition's reason and the like is bounded by maxLength too.
            if (!bounded)
                unbounded.Add(path);
            if (schema["items"] is JsonObject items)
                Visit($"{path}[]", items);
            if (schema["additionalProperties"] is JsonObject values)
                Visit($"{path}{{}}", values);
            if (schema["properties"] is JsonObject properties)
                foreach (var (name, value) in properties)
                    Visit($"{path}.{name}", (JsonObject)value!);
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Every_field_is_explained(Type kind)
    {
        Visit("", Schema(CrdBuilder.Build(kind)));

        static void Visit(string path, JsonObject schema)
        {
            if (path == ".metadata")
                return;
            if (!path.EndsWith(']') && !path.EndsWith('}'))
                schema.ContainsKey("description").Should().BeTrue("kubectl explain shows {0}", path);
            if (schema["items"] is JsonObject items)
                Visit($"{path}[]", items);
            if (schema["properties"] is JsonObject properties)
                foreach (var (name, value) in properties)
                    Visit($"{path}.{name}", (JsonObject)value!);
        }
    }

    private static JsonObject Schema(JsonObject definition) =>
        (JsonObject)definition["spec"]!["versions"]![0]!["schema"]!["openAPIV3Schema"]!;
}
