using System.Globalization;

namespace Bursar.Core.Scaling;

/// <summary>
/// Parses a formula with the operator precedence of expr. It rejects what is ambiguous, and nesting deeper than <see cref="MaxDepth"/>.
/// </summary>
internal sealed class FormulaParser(string text)
{
    private const int MaxDepth = 100;
    private const int NotStrength = 50;
    private const int SignStrength = 90;

    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private int _position;
    private int _depth;
    private int _predicates;

    public string? Error { get; private set; }

    public IReadOnlySet<string> Names => _names;

    public FormulaNode? Parse()
    {
        var root = Expression(0);
        if (root is null)
            return null;
        SkipSpace();
        if (_position < text.Length)
            return Fail($"'{text[_position]}' is not expected here");
        return root.Type == FormulaType.Number ? root : Fail($"a formula must yield a number, not {Identifier(root.Type)}");
    }

    private static (string Sign, int Strength, bool RightFirst)[] Operators { get; } =
    [
        ("or", 10, false),
        ("||", 10, false),
        ("and", 15, false),
        ("&&", 15, false),
        ("==", 20, false),
        ("!=", 20, false),
        ("<=", 20, false),
        (">=", 20, false),
        ("<", 20, false),
        (">", 20, false),
        ("+", 30, false),
        ("-", 30, false),
        ("**", 100, true),
        ("^", 100, true),
        ("*", 60, false),
        ("/", 60, false),
        ("%", 60, false),
        ("??", 500, false),
    ];

    /// <summary>Parses an expression. At the lowest precedence a conditional may follow.</summary>
    private FormulaNode? Expression(int strength)
    {
        if (++_depth > MaxDepth)
            return Fail("it is nested too deeply");
        try
        {
            var left = Operand();
            while (left is not null && Operator(strength) is { } found)
            {
                int at = _position;
                _position += found.Sign.Length;
                var right = Expression(found.RightFirst ? found.Strength : found.Strength + 1);
                if (right is null)
                    return null;
                left = Binary(found.Sign, left, right, at);
            }
            return left is null || strength > 0 ? left : Condition(left);
        }
        finally
        {
            _depth--;
        }
    }

    private FormulaNode? Condition(FormulaNode condition)
    {
        SkipSpace();
        int at = _position;
        if (!Accept('?'))
            return condition;
        if (Expression(0) is not { } then)
            return null;
        if (!Expect(':') || Expression(0) is not { } otherwise)
            return null;
        if (condition.Type != FormulaType.Truth)
            return Fail($"the condition before ? is {Identifier(condition.Type)}, not a boolean", at);
        if (Common(then.Type, otherwise.Type) is not { } type)
            return Fail($"one side of : is {Identifier(then.Type)}, the other {Identifier(otherwise.Type)}", at);
        return Make(type, [condition, then, otherwise], scope => condition.Evaluate(scope) switch
            {
                { IsKnown: false } => FormulaValue.Wrong,
                { IsTrue: true } => then.Evaluate(scope),
                _ => otherwise.Evaluate(scope),
            });
    }

    private (string Sign, int Strength, bool RightFirst)? Operator(int least)
    {
        SkipSpace();
        foreach (var candidate in Operators)
        {
            if (string.CompareOrdinal(text, _position, candidate.Sign, 0, candidate.Sign.Length) != 0)
                continue;
            if (
                char.IsAsciiLetter(candidate.Sign[0])
                && _position + candidate.Sign.Length < text.Length
                && IsNamePart(text[_position + candidate.Sign.Length])
            )
                continue;
            return candidate.Strength >= least ? candidate : null;
        }
        return null;
    }

    private FormulaNode? Binary(string sign, FormulaNode left, FormulaNode right, int at)
    {
        switch (sign)
        {
            case "&&" or "and" or "||" or "or":
                if (left.Type != FormulaType.Truth || right.Type != FormulaType.Truth)
                    return Fail($"{sign} needs booleans on both sides", at);
                bool decides = sign is "||" or "or";
                return Make(FormulaType.Truth, [left, right], scope =>
                    left.Evaluate(scope) is var first && (!first.IsKnown || first.IsTrue == decides)
                        ? (first.IsKnown ? first : FormulaValue.Wrong)
                        : right.Evaluate(scope)
                );
            case "==" or "!=":
                if (Common(left.Type, right.Type) is not (FormulaType.Number or FormulaType.Truth or FormulaType.Nil))
                    return Fail($"{sign} needs two numbers or two booleans", at);
                return Make(FormulaType.Truth, [left, right], scope =>
                {
                    var (first, second) = (left.Evaluate(scope), right.Evaluate(scope));
                    if (first.State == FormulaState.Wrong || second.State == FormulaState.Wrong)
                        return FormulaValue.Wrong;
                    return FormulaValue.From((first == second) == (sign == "=="));
                });
            case "??":
                if (Common(left.Type, right.Type) is not (FormulaType.Number or FormulaType.Nil))
                    return Fail("?? needs numbers on both sides", at);
                return Make(right.Type == FormulaType.Nil ? left.Type : right.Type, [left, right], scope =>
                    left.Evaluate(scope) is var first && first.State == FormulaState.Nil ? right.Evaluate(scope) : first
                );
            default:
                if (left.Type != FormulaType.Number || right.Type != FormulaType.Number)
                    return Fail($"{sign} needs numbers on both sides", at);
                Func<double, double, FormulaValue> take = sign switch
                {
                    "+" => (a, b) => FormulaValue.From(a + b),
                    "-" => (a, b) => FormulaValue.From(a - b),
                    "*" => (a, b) => FormulaValue.From(a * b),
                    "/" => (a, b) => b == 0 ? FormulaValue.Wrong : FormulaValue.From(a / b),
                    "%" => (a, b) => b == 0 ? FormulaValue.Wrong : FormulaValue.From(a % b),
                    "**" or "^" => (a, b) => FormulaValue.From(Math.Pow(a, b)),
                    "<" => (a, b) => FormulaValue.From(a < b),
                    "<=" => (a, b) => FormulaValue.From(a <= b),
                    ">" => (a, b) => FormulaValue.From(a > b),
                    _ => (a, b) => FormulaValue.From(a >= b),
                };
                return Make(sign[0] is '<' or '>' ? FormulaType.Truth : FormulaType.Number, [left, right], scope =>
                    left.Evaluate(scope) is { IsKnown: true } a && right.Evaluate(scope) is { IsKnown: true } b
                        ? take(a.Number, b.Number)
                        : FormulaValue.Wrong
                );
        }
    }

    private FormulaNode? Operand()
    {
        SkipSpace();
        int at = _position;
        if (at == text.Length)
            return Fail("a value is expected at the end");
        char next = text[at];
        if (Accept('('))
            return Expression(0) is { } inner && Expect(')') ? inner : null;
        if (Accept('['))
            return List();
        if (Accept('#'))
            return _predicates == 0 ? Fail("# is only defined within { }", at) : Make(FormulaType.Number, [], scope => scope.Item);
        if (next is '-' or '+')
        {
            _position++;
            if (Expression(SignStrength) is not { } operand)
                return null;
            if (operand.Type != FormulaType.Number)
                return Fail($"{next} needs a number after it", at);
            return next == '+'
                ? operand
                : Make(FormulaType.Number, [operand], scope =>
                    operand.Evaluate(scope) is { IsKnown: true } value ? FormulaValue.From(-value.Number) : FormulaValue.Wrong
                );
        }
        if (Accept('!'))
            return Not(at);
        if (char.IsAsciiDigit(next) || next == '.')
            return Number();
        if (!char.IsAsciiLetter(next) && next != '_')
            return Fail($"'{next}' is not expected here", at);
        while (_position < text.Length && IsNamePart(text[_position]))
            _position++;
        string name = text[at.._position];
        switch (name)
        {
            case "nil" or "null":
                return Make(FormulaType.Nil, [], _ => FormulaValue.Nil);
            case "true":
                return Make(FormulaType.Truth, [], _ => FormulaValue.From(true));
            case "false":
                return Make(FormulaType.Truth, [], _ => FormulaValue.From(false));
            case "not":
                return Not(at);
            case "and" or "or" or "in":
                return Fail($"'{name}' is not expected here", at);
        }
        SkipSpace();
        if (Accept('('))
            return Function(name, at);
        _names.Add(name);
        return Make(FormulaType.Number, [], scope => scope.Get(name));
    }

    private FormulaNode? Not(int at)
    {
        if (Expression(NotStrength) is not { } operand)
            return null;
        if (operand.Type != FormulaType.Truth)
            return Fail("! needs a boolean after it", at);
        return Make(FormulaType.Truth, [operand], scope =>
            operand.Evaluate(scope) is { IsKnown: true } value ? FormulaValue.From(!value.IsTrue) : FormulaValue.Wrong
        );
    }

    private FormulaNode? Number()
    {
        int at = _position;
        while (
            _position < text.Length
            && (
                char.IsAsciiDigit(text[_position])
                || text[_position] is '.' or '_'
                || text[_position] is 'e' or 'E'
                || text[_position] is '+' or '-' && _position > at && text[_position - 1] is 'e' or 'E'
            )
        )
            _position++;
        string digits = text[at.._position];
        return
            double.TryParse(
                digits.Replace("_", "", StringComparison.Ordinal),
                NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent,
                CultureInfo.InvariantCulture,
                out double number
            ) && double.IsFinite(number)
            ? Make(FormulaType.Number, [], _ => FormulaValue.From(number))
            : Fail($"'{digits}' is not a number", at);
    }

    private FormulaNode? List()
    {
        int at = _position;
        if (Items(']') is not { } items)
            return null;
        var type = items.Count > 0 ? items[0].Type : FormulaType.Number;
        foreach (var item in items)
        {
            if (Common(type, item.Type) is not { } common || common is FormulaType.Numbers or FormulaType.Truths)
                return Fail("a list must contain only numbers or only booleans", at);
            type = common;
        }
        return Make(type == FormulaType.Truth ? FormulaType.Truths : FormulaType.Numbers, items, scope =>
            FormulaValue.From([.. items.Select(item => item.Evaluate(scope))])
        );
    }

    private List<FormulaNode>? Items(char end)
    {
        var items = new List<FormulaNode>();
        SkipSpace();
        if (Accept(end))
            return items;
        do
        {
            if (Expression(0) is not { } item)
                return null;
            items.Add(item);
            SkipSpace();
        } while (Accept(','));
        return Expect(end) ? items : null;
    }

    private FormulaNode? Function(string name, int at)
    {
        switch (name)
        {
            case "count" or "filter" or "map" or "any" or "all" or "none" or "one":
                return Predicated(name, at);
            case "abs" or "ceil" or "floor" or "round" or "int" or "float":
                if (Items(')') is not { } single)
                    return null;
                if (single is not [{ Type: FormulaType.Number } operand])
                    return Fail($"{name} takes one number", at);
                Func<double, double> take = name switch
                {
                    "abs" => Math.Abs,
                    "ceil" => Math.Ceiling,
                    "floor" => Math.Floor,
                    "round" => value => Math.Round(value, MidpointRounding.AwayFromZero),
                    "int" => Math.Truncate,
                    _ => value => value,
                };
                return Make(FormulaType.Number, single, scope =>
                    operand.Evaluate(scope) is { IsKnown: true } value ? FormulaValue.From(take(value.Number)) : FormulaValue.Wrong
                );
            case "len":
                if (Items(')') is not { } lists)
                    return null;
                if (lists is not [{ Type: FormulaType.Numbers or FormulaType.Truths } list])
                    return Fail("len takes one list", at);
                return Make(FormulaType.Number, lists, scope =>
                    list.Evaluate(scope) is { Items: { } items } ? FormulaValue.From(items.Length) : FormulaValue.Wrong
                );
            case "min" or "max" or "sum" or "mean" or "avg" or "median":
                if (Items(')') is not { } arguments)
                    return null;
                if (arguments.Count == 0 || arguments.Any(argument => argument.Type is not (FormulaType.Number or FormulaType.Numbers)))
                    return Fail($"{name} takes numbers, or lists of them", at);
                return Make(FormulaType.Number, arguments, scope =>
                    Numbers(arguments, scope) is { } numbers ? Together(name, numbers) : FormulaValue.Wrong
                );
            default:
                return Fail($"there is no function {name}", at);
        }
    }

    private static List<double>? Numbers(List<FormulaNode> arguments, FormulaScope scope)
    {
        var numbers = new List<double>();
        foreach (var argument in arguments)
        {
            var value = argument.Evaluate(scope);
            if (!value.IsKnown)
                return null;
            foreach (var item in value.Items ?? [value])
            {
                if (!item.IsKnown)
                    return null;
                numbers.Add(item.Number);
            }
        }
        return numbers;
    }

    private static FormulaValue Together(string name, List<double> numbers)
    {
        if (name == "sum")
            return FormulaValue.From(numbers.Sum());
        if (numbers.Count == 0)
            return FormulaValue.Nil;
        if (name == "median")
        {
            numbers.Sort();
            int middle = numbers.Count / 2;
            return FormulaValue.From(numbers.Count % 2 == 1 ? numbers[middle] : (numbers[middle - 1] + numbers[middle]) / 2);
        }
        return FormulaValue.From(
            name switch
            {
                "min" => numbers.Min(),
                "max" => numbers.Max(),
                _ => numbers.Sum() / numbers.Count,
            }
        );
    }

    /// <summary>Parses <c>count(list)</c>, <c>count(list, {# &gt; 1})</c> and similar functions. Braces are optional.</summary>
    private FormulaNode? Predicated(string name, int at)
    {
        if (Expression(0) is not { } list)
            return null;
        if (list.Type is not (FormulaType.Numbers or FormulaType.Truths))
            return Fail($"{name} takes a list", at);
        FormulaNode? predicate = null;
        SkipSpace();
        if (Accept(','))
        {
            if (list.Type != FormulaType.Numbers)
                return Fail($"{name} takes a list of numbers", at);
            SkipSpace();
            bool braces = Accept('{');
            _predicates++;
            predicate = Expression(0);
            _predicates--;
            if (predicate is null || braces && !Expect('}'))
                return null;
        }
        if (!Expect(')'))
            return null;
        if (
            name == "map" ? predicate?.Type is not (FormulaType.Number or FormulaType.Truth)
            : predicate is null ? name != "count" || list.Type != FormulaType.Truths
            : predicate.Type != FormulaType.Truth
        )
            return Fail($"{name} takes a list and a {(name == "map" ? "value" : "boolean")} about #, such as {{# > 1}}", at);
        var type = name switch
        {
            "filter" => FormulaType.Numbers,
            "map" => predicate!.Type == FormulaType.Truth ? FormulaType.Truths : FormulaType.Numbers,
            "count" => FormulaType.Number,
            _ => FormulaType.Truth,
        };
        return Make(type, predicate is null ? [list] : [list, predicate], scope => Peek(name, list, predicate, scope));
    }

    private static FormulaValue Peek(string name, FormulaNode list, FormulaNode? predicate, FormulaScope scope)
    {
        if (list.Evaluate(scope) is not { Items: { } items })
            return FormulaValue.Wrong;
        var outer = scope.Item;
        var found = new List<FormulaValue>();
        foreach (var item in items)
        {
            scope.Item = item;
            var answer = predicate is null ? item : predicate.Evaluate(scope);
            if (!answer.IsKnown && name != "map")
            {
                scope.Item = outer;
                return FormulaValue.Wrong;
            }
            if (name == "map")
                found.Add(answer);
            else if (answer.IsTrue)
                found.Add(item);
        }
        scope.Item = outer;
        return name switch
        {
            "count" => FormulaValue.From(found.Count),
            "any" => FormulaValue.From(found.Count > 0),
            "all" => FormulaValue.From(found.Count == items.Length),
            "none" => FormulaValue.From(found.Count == 0),
            "one" => FormulaValue.From(found.Count == 1),
            _ => FormulaValue.From([.. found]),
        };
    }

    private FormulaNode? Make(FormulaType type, IReadOnlyList<FormulaNode> parts, Func<FormulaScope, FormulaValue> compute)
    {
        int depth = 1 + parts.Select(part => part.Depth).DefaultIfEmpty(0).Max();
        // A long sum is deep on one side without recursion of the parser.
        return depth > 2 * MaxDepth ? Fail("it is nested too deeply") : new(type, depth, compute);
    }

    /// <summary>Returns the type of a value that has one of two types. Nil is compatible with a number.</summary>
    private static FormulaType? Common(FormulaType left, FormulaType right) =>
        left == right ? left
        : (left, right) is (FormulaType.Nil, FormulaType.Number) or (FormulaType.Number, FormulaType.Nil) ? FormulaType.Number
        : null;

    private static string Identifier(FormulaType type) =>
        type switch
        {
            FormulaType.Number => "a number",
            FormulaType.Truth => "a boolean",
            FormulaType.Nil => "nil",
            _ => "a list",
        };

    private static bool IsNamePart(char letter) => char.IsAsciiLetterOrDigit(letter) || letter == '_';

    private void SkipSpace()
    {
        while (_position < text.Length && text[_position] is ' ' or '\t' or '\r' or '\n')
            _position++;
    }

    private bool Accept(char sign)
    {
        if (_position >= text.Length || text[_position] != sign)
            return false;
        // ?? is an operator of its own.
        if (sign == '?' && _position + 1 < text.Length && text[_position + 1] == '?')
            return false;
        _position++;
        return true;
    }

    private bool Expect(char sign)
    {
        SkipSpace();
        if (Accept(sign))
            return true;
        Fail(_position < text.Length ? $"'{sign}' is expected, not '{text[_position]}'" : $"it ends where '{sign}' is expected");
        return false;
    }

    private FormulaNode? Fail(string what, int? at = null)
    {
        Error ??= string.Create(CultureInfo.InvariantCulture, $"at {(at ?? Math.Min(_position, text.Length)) + 1}: {what}");
        return null;
    }
}
