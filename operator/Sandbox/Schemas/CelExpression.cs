namespace Bursar.Sandbox.Schemas;

/// <summary>A node of a parsed expression. <see cref="Position"/> is the offset that cel-go reports for it.</summary>
internal abstract record CelExpression(int Position);

internal sealed record CelLiteral(int Position, object? Value) : CelExpression(Position);

internal sealed record CelIdentifier(int Position, string Name) : CelExpression(Position);

/// <summary>
/// A field of a value. <see cref="IsTest"/> is <c>has()</c>, <see cref="IsOptional"/> is <c>.?</c>.
/// </summary>
internal sealed record CelSelect(int Position, CelExpression Operand, string Field, bool IsTest, bool IsOptional) : CelExpression(Position);

/// <summary>A call of a function or operator. A member call has its receiver as the first argument.</summary>
internal sealed record CelCall(int Position, string Function, bool IsMember, IReadOnlyList<CelExpression> Arguments)
    : CelExpression(Position);

internal sealed record CelListLiteral(int Position, IReadOnlyList<(CelExpression Value, bool IsOptional)> Items) : CelExpression(Position);

internal sealed record CelMapLiteral(int Position, IReadOnlyList<(CelExpression Key, CelExpression Value, bool IsOptional)> Entries)
    : CelExpression(Position);

/// <summary>A macro that binds one or two variables and evaluates its arguments with them.</summary>
internal sealed record CelMacro(
    int Position,
    string Name,
    CelExpression Target,
    string First,
    string? Second,
    IReadOnlyList<CelExpression> Arguments
) : CelExpression(Position);

/// <summary>An expression that cannot be compiled, with the offset of the error.</summary>
internal sealed class CelSyntaxException(int position, string message) : Exception(message)
{
    public int Position => position;
}

/// <summary>An error of an evaluation, with cel-go's message.</summary>
internal sealed class CelException(string message) : Exception(message);
