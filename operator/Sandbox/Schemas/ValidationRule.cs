using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.Schemas;

/// <summary>A compiled rule of a schema (<c>x-kubernetes-validations</c>).</summary>
/// <remarks>Source: kubernetes/apiextensions-apiserver:pkg/apis/apiextensions/validation, pkg/apiserver/schema/cel.</remarks>
public sealed partial class ValidationRule
{
    private static readonly string[] Reasons = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

    private ValidationRule(string rule)
    {
        Rule = rule;
    }

    public string Rule { get; }

    public string Message { get; private init; } = "";

    public string Reason { get; private init; } = "FieldValueInvalid";

    /// <summary>
    /// The path of the reported field, relative to the rule's own (<c>.name</c>, <c>[key]</c>); empty for the rule's own.
    /// </summary>
    public string FieldPath { get; private init; } = "";

    /// <summary>
    /// True if the rule uses the old object. It then applies only to updates, unless <see cref="IsOldSelfOptional"/> is true.
    /// </summary>
    public bool ReadsOldSelf { get; private init; }

    public bool IsOldSelfOptional { get; private init; }

    internal CelProgram Program { get; private init; } = null!;

    internal CelProgram? MessageProgram { get; private init; }

    /// <summary>Reads the rules of a node of a schema.</summary>
    /// <param name="uncorrelated">The path of a parent list whose items cannot be matched with the old ones; else null.</param>
    /// <param name="errors">Receives errors with their paths.</param>
    /// <param name="unsupported">Receives valid rules that are not supported, with their paths.</param>
    internal static IReadOnlyList<ValidationRule> ReadAll(
        JsonObject source,
        TypeSchema schema,
        bool hasMetadata,
        string path,
        string? uncorrelated,
        List<string> errors,
        List<string> unsupported
    )
    {
        if (source["x-kubernetes-validations"] is not JsonArray declared || CelType.From(schema, hasMetadata) is not { } self)
        {
            return [];
        }

        var rules = new List<ValidationRule>();
        for (var i = 0; i < declared.Count; i++)
        {
            var at = $"{path}.x-kubernetes-validations[{i}]";
            try
            {
                if (declared[i] is JsonObject rule && Read(rule, schema, self, at, uncorrelated, errors) is { } read)
                {
                    rules.Add(read);
                }
            }
            catch (UnsupportedCelException e)
            {
                unsupported.Add($"{at}: {e.Message}()");
            }
        }

        return rules;
    }

    private static ValidationRule? Read(
        JsonObject source,
        TypeSchema schema,
        CelType self,
        string path,
        string? uncorrelated,
        List<string> errors
    )
    {
        var before = errors.Count;
        var text = source.Text("rule") ?? "";
        var message = source.Text("message") ?? "";
        var messageText = source.Text("messageExpression") ?? "";
        var reason = source.Text("reason") ?? "FieldValueInvalid";
        var fieldPath = source.Text("fieldPath") ?? "";
        if (text.Trim().Length == 0)
        {
            errors.Add($"{path}.rule: Required value: rule is not specified");
        }

        if (message.Contains('\n', StringComparison.Ordinal))
        {
            errors.Add($"{path}.message: Invalid value: {Json.Quote(message)}: must not contain line breaks");
        }

        if (text.Trim().Contains('\n', StringComparison.Ordinal) && message.Length == 0)
        {
            errors.Add($"{path}.message: Required value: message must be specified if rule contains line breaks");
        }

        if (!Reasons.Contains(reason))
        {
            errors.Add(
                $"{path}.reason: Unsupported value: {Json.Quote(reason)}: supported values: {string.Join(", ", Reasons.Select(Json.Quote))}"
            );
        }

        var reported = Resolve(fieldPath, schema);
        if (reported is null)
        {
            errors.Add($"{path}.fieldPath: Invalid value: {Json.Quote(fieldPath)}: must be a valid path");
        }

        // Compile a rule only if its fields are valid.
        if (errors.Count > before)
        {
            return null;
        }

        var optional = source.Flag("optionalOldSelf") == true;
        var variables = new Dictionary<string, CelType>(StringComparer.Ordinal)
        {
            ["self"] = self,
            ["oldSelf"] = optional ? new CelType("optional", self) : self,
        };
        var program = CelProgram.Compile(text, variables, out var mistakes);
        if (program is null)
        {
            errors.Add($"{path}.rule: Invalid value: {Shown()}: compilation failed: {mistakes}");
        }
        else if (!program.Type.Fits("bool"))
        {
            errors.Add($"{path}.rule: Invalid value: {Shown()}: cel expression must evaluate to a bool");
        }

        var readsOld = program?.Reads("oldSelf") == true;
        if (readsOld && uncorrelated is not null)
        {
            errors.Add(
                $"{path}.rule: Invalid value: {Json.Quote(text)}: oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelated}"
            );
        }

        if (optional && !readsOld)
        {
            errors.Add($"{path}.optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule");
        }

        CelProgram? messageProgram = null;
        if (messageText.Length > 0 && program is not null)
        {
            messageProgram = CelProgram.Compile(messageText, variables, out mistakes);
            if (messageProgram is null)
            {
                errors.Add($"{path}.messageExpression: Invalid value: {Shown()}: messageExpression compilation failed: {mistakes}");
            }
            else if (!messageProgram.Type.Fits("string"))
            {
                errors.Add($"{path}.messageExpression: Invalid value: {Shown()}: messageExpression must evaluate to a string");
            }
        }

        return errors.Count > before
            ? null
            : new ValidationRule(text.Trim())
            {
                Message = message.Trim(),
                Reason = reason,
                FieldPath = reported!,
                ReadsOldSelf = readsOld,
                IsOldSelfOptional = optional,
                Program = program!,
                MessageProgram = messageProgram,
            };

        // Like Go's JSON, with escaped markup characters.
        string Shown() =>
            Json.ToText(
                    new JsonObject
                    {
                        ["Rule"] = text,
                        ["Message"] = message,
                        ["MessageExpression"] = messageText,
                        ["Reason"] = source["reason"]?.DeepClone(),
                        ["FieldPath"] = fieldPath,
                        ["OptionalOldSelf"] = source["optionalOldSelf"]?.DeepClone(),
                    }
                )
                .Replace("&", "\\u0026", StringComparison.Ordinal)
                .Replace("<", "\\u003c", StringComparison.Ordinal)
                .Replace(">", "\\u003e", StringComparison.Ordinal);
    }

    /// <summary>
    /// Converts the field path of a rule (<c>.spec['a.b']</c>) to the format of error paths; null if the schema has no such field.
    /// </summary>
    private static string? Resolve(string fieldPath, TypeSchema schema)
    {
        var result = "";
        var current = schema;
        var matched = 0;
        foreach (Match part in PathPart().Matches(fieldPath))
        {
            var key = part.Groups[1].Success ? part.Groups[1].Value : part.Groups[2].Value;
            if (
                part.Index != matched
                || (
                    current.Properties.TryGetValue(key, out var field) ? field.Type
                    : current.Type == SchemaType.Map ? current.Items
                    : null
                )
                    is not { } next
            )
            {
                return null;
            }

            result += current.Type == SchemaType.Map ? $"[{key}]" : $".{key}";
            matched = part.Index + part.Length;
            current = next;
        }

        return matched == fieldPath.Length ? result : null;
    }

    [GeneratedRegex(@"\.([A-Za-z_][A-Za-z0-9_]*)|\['([^']+)'\]", RegexOptions.CultureInvariant)]
    private static partial Regex PathPart();
}
