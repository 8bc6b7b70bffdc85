using Mono.Cecil;

namespace Bursar.Tests.Unit.Docs;

/// <summary>
/// The order of modules (docs/decisions/0014-modules.md), read from the compiled assemblies. Constants and names in nameof leave no trace
/// there.
/// </summary>
public class ModuleTests
{
    /// <summary>The folders of <c>operator/Operator</c>: each may use those above it and those below its own name.</summary>
    private static readonly string[] Order =
    [
        "Http",
        "Cluster.Gpus",
        "Cluster",
        "Telemetry",
        "Billing",
        "Safety",
        "Suspension",
        "Budgets",
        "Scaling.Signals",
        "Scaling.External.Wire",
        "Scaling.External",
        "Scaling.Targets",
        "Scaling",
        "Admission",
        "Hosting",
        "Commands.Imports",
        "Commands.Reference",
        "Commands",
    ];

    private static readonly string[] Counting = ["ActivityTracker", "ActivityUnit", "IVirtualClock"];

    public static TheoryData<string> Assemblies =>
        [
            "Bursar.Core",
            "Bursar.Concurrency",
            "Bursar.Kubernetes",
            "Bursar.Api",
            "Bursar.Agent",
            "Bursar.Hosting",
            "Bursar.Sandbox",
            "bursar",
            "bursar-demo",
        ];

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void No_namespaces_use_each_other(string assembly)
    {
        var arrows = Arrows(assembly);

        arrows
            .Where(arrow => Reaches(arrow.To, arrow.From, arrows))
            .Select(arrow => arrow.ToString())
            .Should()
            .BeEmpty("each of these dependencies is part of a cycle");
    }

    [Fact]
    public void Folders_of_the_operator_use_only_those_above_them()
    {
        const string root = "Bursar.Operator.";
        var arrows = Arrows("bursar").Where(arrow => arrow.From.StartsWith(root, StringComparison.Ordinal)).ToArray();

        arrows.Select(arrow => arrow.From[root.Length..]).Distinct().Should().BeSubsetOf(Order, "each folder has its place in the order");
        arrows.Should().HaveCountGreaterThan(30);
        arrows
            .Where(arrow => Array.IndexOf(Order, arrow.To[root.Length..]) > Array.IndexOf(Order, arrow.From[root.Length..]))
            .Select(arrow => arrow.ToString())
            .Should()
            .BeEmpty("a dependency points upward");
    }

    /// <summary>Only types of Bursar.Concurrency, the client and the embedded cluster take part in virtual time.</summary>
    [Theory]
    [InlineData("bursar")]
    [InlineData("Bursar.Agent")]
    public void Product_classes_take_no_part_in_virtual_time(string assembly)
    {
        using var module = ModuleDefinition.ReadModule(Path.Combine(AppContext.BaseDirectory, assembly + ".dll"));
        var used = module.GetTypeReferences().Where(type => type.Namespace == "Bursar.Concurrency").Select(type => type.Name).ToArray();

        used.Should().Contain("PeriodicLoop");
        used.Should().NotContain(Counting);
    }

    /// <summary>Loops, leases and Events of the client use Bursar.Concurrency, like all other product classes.</summary>
    [Fact]
    public void API_client_alone_takes_part_in_virtual_time()
    {
        using var module = ModuleDefinition.ReadModule(Path.Combine(AppContext.BaseDirectory, "Bursar.Kubernetes.dll"));
        var counting = module
            .GetTypes()
            .Where(type => Named(type).Any(used => used.Namespace == "Bursar.Concurrency" && Counting.Contains(used.Name)))
            .Select(NamespaceOf)
            .Distinct();

        counting.Should().Equal("Bursar.Kubernetes.Client");
    }

    private static bool Reaches(string from, string to, IReadOnlyCollection<Arrow> arrows)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal) { from };
        for (var found = true; found; )
            found = arrows.Where(arrow => seen.Contains(arrow.From)).ToArray().Count(arrow => seen.Add(arrow.To)) > 0;
        return seen.Contains(to);
    }

    private static List<Arrow> Arrows(string assembly)
    {
        using var module = ModuleDefinition.ReadModule(Path.Combine(AppContext.BaseDirectory, assembly + ".dll"));
        return
        [
            .. from type in module.GetTypes()
            from used in Used(type)
            let arrow = new Arrow(NamespaceOf(type), NamespaceOf(used)) { Example = $"{Outermost(type).Name} uses {Outermost(used).Name}" }
            where
                arrow.From != arrow.To
                && arrow.From.StartsWith("Bursar", StringComparison.Ordinal)
                && arrow.To.StartsWith("Bursar", StringComparison.Ordinal)
            group arrow by (arrow.From, arrow.To) into same
            select same.First(),
        ];
    }

    private static TypeReference Outermost(TypeReference type) => type.DeclaringType is { } outer ? Outermost(outer) : type;

    private static string NamespaceOf(TypeReference type) => Outermost(type).Namespace;

    /// <summary>Types of the same assembly that a type uses in its declarations, attributes and code.</summary>
    private static IEnumerable<TypeReference> Used(TypeDefinition type) =>
        Named(type).Where(one => one.Module == type.Module && one.Scope is ModuleDefinition);

    /// <summary>Types that a type uses in its declarations, attributes and code.</summary>
    private static IEnumerable<TypeReference> Named(TypeDefinition type)
    {
        IEnumerable<TypeReference?> named =
        [
            type.BaseType,
            .. type.Interfaces.Select(one => one.InterfaceType),
            .. type.Fields.Select(field => field.FieldType),
            .. type
                .CustomAttributes.Concat(type.Properties.SelectMany(property => property.CustomAttributes))
                .Select(attribute => attribute.AttributeType),
            .. type.Methods.SelectMany(InSignature),
            .. type.Methods.Where(method => method.HasBody).SelectMany(InBody),
        ];
        return named.OfType<TypeReference>().SelectMany(Parts).Distinct();
    }

    private static IEnumerable<TypeReference?> InSignature(MethodReference method) =>
        [
            method.DeclaringType,
            method.ReturnType,
            .. method.Parameters.Select(parameter => parameter.ParameterType),
            .. (method as GenericInstanceMethod)?.GenericArguments ?? [],
        ];

    private static IEnumerable<TypeReference?> InBody(MethodDefinition method) =>
        [
            .. method.Body.Variables.Select(variable => variable.VariableType),
            .. method.Body.Instructions.SelectMany(instruction =>
                instruction.Operand switch
                {
                    MethodReference called => InSignature(called),
                    FieldReference field => [field.DeclaringType, field.FieldType],
                    TypeReference type => [type],
                    _ => [],
                }
            ),
        ];

    /// <summary>Component types: the element of an array, the arguments of a generic type.</summary>
    private static IEnumerable<TypeReference> Parts(TypeReference type) =>
        type switch
        {
            GenericParameter or FunctionPointerType => [],
            GenericInstanceType generic => [.. Parts(generic.ElementType), .. generic.GenericArguments.SelectMany(Parts)],
            TypeSpecification made => Parts(made.ElementType),
            _ => [type],
        };

    private sealed record Arrow(string From, string To)
    {
        public string Example { get; init; } = "";

        public override string ToString() => $"{From} -> {To} ({Example})";
    }
}
