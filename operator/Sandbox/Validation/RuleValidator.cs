using System.Text.Json.Nodes;
using Bursar.Sandbox.Merging;
using Bursar.Sandbox.Schemas;
using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.Validation;

/// <summary>Validates an object of a custom kind by its schema and CEL rules, with Kubernetes' order and messages.</summary>
/// <remarks>Source: kubernetes/apiextensions-apiserver:pkg/registry/customresource/strategy.go,
/// pkg/apiserver/schema/cel/validation.go.</remarks>
internal sealed class RuleValidator
{
    /// <summary>Kubernetes ignores longer results of a message expression.</summary>
    private const int MaxMessageLength = 5 * 1024;

    private readonly List<FieldCause> _errors;
    private readonly List<string> _warnings;

    private RuleValidator(List<FieldCause> errors, List<string> warnings)
    {
        _errors = errors;
        _warnings = warnings;
    }

    /// <summary>Returns the errors of an object.</summary>
    /// <param name="before">The old object; null on creation.</param>
    /// <param name="warnings">Receives errors of unchanged values, which do not refuse an update.</param>
    public static List<FieldCause> Validate(JsonObject obj, JsonObject? before, TypeSchema schema, List<string> warnings)
    {
        var errors = SchemaValidator.Validate(obj, schema);
        if (!schema.HasRules)
        {
            return errors;
        }

        if (
            errors.Exists(e =>
                e.Reason
                    is "FieldValueNotSupported"
                        or "FieldValueRequired"
                        or "FieldValueTooLong"
                        or "FieldValueTooMany"
                        or "FieldValueTypeInvalid"
            )
        )
        {
            errors.Add(
                FieldCause.Invalid(
                    "<nil>",
                    null,
                    "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"
                )
            );
            return errors;
        }

        new RuleValidator(errors, warnings).Visit(obj, before, schema, "", hasMetadata: true, parentIsUnchanged: false);
        return errors;
    }

    /// <param name="old">The old value; null if there was none or it cannot be matched.</param>
    /// <param name="parentIsUnchanged">True if the nearest parent that can be matched is unchanged.</param>
    private void Visit(JsonNode? node, JsonNode? old, TypeSchema schema, string path, bool hasMetadata, bool parentIsUnchanged)
    {
        if (node is null || !schema.HasRules)
        {
            return;
        }

        var isUnchanged = old is null ? parentIsUnchanged : Json.Same(node, old);
        if (schema.Rules.Count > 0)
        {
            EvaluateRules(node, old, schema, path, hasMetadata, isUnchanged);
        }

        switch (node)
        {
            case JsonObject obj:
                foreach (var (key, value) in obj)
                {
                    if (schema.Properties.TryGetValue(key, out var field))
                    {
                        Visit(
                            value,
                            old.At(key),
                            field.Type,
                            path.Length == 0 ? key : $"{path}.{key}",
                            field.Type.EmbeddedResource,
                            isUnchanged
                        );
                    }
                    else if (schema is { Type: SchemaType.Map, Items: { } values })
                    {
                        Visit(value, old.At(key), values, $"{path}[{key}]", values.EmbeddedResource, isUnchanged);
                    }
                }

                break;
            case JsonArray list when schema.Items is { } items:
                for (var i = 0; i < list.Count; i++)
                {
                    var counterpart =
                        schema.List == ListKind.Map && old is JsonArray olds && list[i] is JsonObject
                            ? olds.FirstOrDefault(o =>
                                o is JsonObject && TypedValue.Element(o, schema) == TypedValue.Element(list[i], schema)
                            )
                            : null;
                    Visit(list[i], counterpart, items, $"{path}[{i}]", items.EmbeddedResource, isUnchanged);
                }

                break;
        }
    }

    private void EvaluateRules(JsonNode node, JsonNode? old, TypeSchema schema, string path, bool hasMetadata, bool isUnchanged)
    {
        var self = SchemaValues.From(node, schema, hasMetadata);
        var oldSelf = old is null ? null : SchemaValues.From(old, schema, hasMetadata);
        foreach (var rule in schema.Rules)
        {
            if (rule.ReadsOldSelf && old is null && !rule.IsOldSelfOptional)
            {
                continue;
            }

            (bool, object?) Variable(string name) =>
                name switch
                {
                    "self" => (true, self),
                    "oldSelf" => (
                        true,
                        !rule.IsOldSelfOptional ? oldSelf
                        : old is null ? CelOptional.None
                        : new CelOptional(true, oldSelf)
                    ),
                    _ => default,
                };
            if (Failure(rule, Variable, node, schema, path) is not { } error)
            {
                continue;
            }

            if (!isUnchanged || rule.ReadsOldSelf)
            {
                _errors.Add(error);
            }
            else if (!_warnings.Contains(error.ToString()))
            {
                // A write that is retried after a conflict is validated twice.
                _warnings.Add(error.ToString());
            }
        }
    }

    private static FieldCause? Failure(
        ValidationRule rule,
        Func<string, (bool, object?)> variables,
        JsonNode node,
        TypeSchema schema,
        string path
    )
    {
        try
        {
            return rule.Program.Evaluate(variables) is true ? null : Refusal(rule, variables, node, path);
        }
        catch (CelException e)
        {
            var shown = rule.Message.Length > 0 ? rule.Message : rule.Rule;
            return FieldCause.Invalid(
                path.Length == 0 ? "<nil>" : path,
                JsonValue.Create(TypeName(schema)),
                e.Message switch
                {
                    "no such overload" =>
                        $"'{e.Message}': call arguments did not match a supported operator, function or macro signature for rule: {shown}",
                    "operation cancelled: actual cost limit exceeded" =>
                        $"'{e.Message}': no further validation rules will be run due to call cost exceeds limit for rule: {shown}",
                    _ => $"{e.Message} evaluating rule: {shown}",
                }
            );
        }
    }

    private static FieldCause Refusal(ValidationRule rule, Func<string, (bool, object?)> variables, JsonNode node, string path)
    {
        var message = Message(rule, variables) ?? (rule.Message.Length > 0 ? rule.Message : $"failed rule: {rule.Rule}");
        var field = (path + rule.FieldPath).TrimStart('.');
        field = field.Length == 0 ? "<nil>" : field;
        var value = node is JsonValue ? $": {FieldCause.Shown(node)}" : "";
        return rule.Reason switch
        {
            "FieldValueRequired" => FieldCause.Required(field, message),
            "FieldValueForbidden" => FieldCause.Forbidden(field, message),
            "FieldValueDuplicate" => new FieldCause(field, rule.Reason, $"Duplicate value{value}"),
            _ => new FieldCause(field, rule.Reason, $"Invalid value{value}: {message}"),
        };
    }

    /// <summary>Evaluates the rule's message expression; null if there is none or its result is not usable.</summary>
    private static string? Message(ValidationRule rule, Func<string, (bool, object?)> variables)
    {
        try
        {
            return
                rule.MessageProgram?.Evaluate(variables) is string text
                && text.Trim() is { Length: > 0 and <= MaxMessageLength } message
                && !message.Contains('\n', StringComparison.Ordinal)
                ? message
                : null;
        }
        catch (CelException)
        {
            return null;
        }
    }

    private static string TypeName(TypeSchema schema) =>
        schema.Type switch
        {
            SchemaType.Object or SchemaType.Map => "object",
            SchemaType.Array => "array",
            SchemaType.Integer => "integer",
            SchemaType.Number => "number",
            SchemaType.Boolean => "boolean",
            SchemaType.String => "string",
            _ => "",
        };
}
